'use strict';

const {
    checkpointers,
    CommitError,
    EndorseError,
    GatewayError,
    StatusCode,
} = require('@hyperledger/fabric-gateway');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { chaincodeName, connectAs, mspIds } = require('../lib/network');
const { decode, event, fail, get, getPrivate, put, putTransient, run, setPolicy, whoami } = require('../lib/steps');

// Keys of this run, so that the tests can be repeated on a network that keeps its state.
const key = (name) => `${name}-${crypto.randomUUID()}`;
const implicit = (mspId) => `_implicit_org_${mspId}`;
const [org1, org2] = mspIds;

describe('the official Gateway SDK', { timeout: 120_000 }, () => {
    const connections = new Map();
    const contractOf = (mspId) => connections.get(mspId).contract;

    before(() => {
        for (const mspId of mspIds) {
            connections.set(mspId, connectAs(mspId));
        }
    });
    after(() => connections.forEach((connection) => connection.close()));

    async function submit(mspId, call, options = {}) {
        return decode(await contractOf(mspId).submit(call.name, { arguments: call.arguments, ...options }));
    }

    async function evaluate(mspId, call, options = {}) {
        return decode(await contractOf(mspId).evaluate(call.name, { arguments: call.arguments, ...options }));
    }

    test('submits and reads back', async () => {
        const asset = key('asset');
        assert.deepEqual(await submit(org1, run(put(asset, 'value'))), [null]);
        assert.deepEqual(await evaluate(org1, run(get(asset))), ['value']);
    });

    test('evaluates on the own organisation', async () => {
        for (const mspId of mspIds) {
            assert.deepEqual(await evaluate(mspId, run(whoami())), [mspId]);
        }
    });

    test('takes the steps of a transaction one by one', async () => {
        const asset = key('asset');
        const call = run(put(asset, 'value'));
        const proposal = contractOf(org1).newProposal(call.name, { arguments: call.arguments });
        const transaction = await proposal.endorse();
        assert.deepEqual(decode(transaction.getResult()), [null]);
        assert.equal(transaction.getTransactionId(), proposal.getTransactionId());
        const commit = await transaction.submit();
        const status = await commit.getStatus();
        assert.equal(status.successful, true);
        assert.equal(status.code, StatusCode.VALID);
        assert.ok(status.blockNumber > 0n);
        assert.equal(status.transactionId, proposal.getTransactionId());
    });

    test('keeps transient data with the endorsing organisation', async () => {
        const order = key('order');
        await submit(org1, run(putTransient(implicit(org1), order, 'order')), {
            transientData: { order: 'secret' },
            endorsingOrganizations: [org1],
        });
        const read = run(getPrivate(implicit(org1), order));
        assert.deepEqual(await evaluate(org1, read, { endorsingOrganizations: [org1] }), ['secret']);
        await assert.rejects(evaluate(org2, read, { endorsingOrganizations: [org2] }), (error) => {
            assert.ok(error instanceof GatewayError);
            assert.match(error.details[0].message, /private data matching public hash version is not available/);
            assert.equal(error.details[0].mspId, org2);
            return true;
        });
    });

    test('finds the endorsers of a key that has its own policy', async () => {
        const asset = key('asset');
        await submit(org1, run(put(asset, '1'), setPolicy(asset, mspIds)));
        await submit(org1, run(put(asset, '2')));
        const status = await submitAsync(run(put(asset, '3')), { endorsingOrganizations: [org1] });
        assert.equal(status.code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
        assert.equal(status.successful, false);
    });

    async function submitAsync(call, options) {
        const submitted = await contractOf(org1).submitAsync(call.name, { arguments: call.arguments, ...options });
        return submitted.getStatus();
    }

    test('throws a CommitError for an invalid transaction', async () => {
        const call = run(put(key('asset'), 'alone'));
        await assert.rejects(submit(org1, call, { endorsingOrganizations: [org1] }), (error) => {
            assert.ok(error instanceof CommitError);
            assert.equal(error.code, StatusCode.ENDORSEMENT_POLICY_FAILURE);
            return true;
        });
    });

    test('shows what the chaincode refused, and where', async () => {
        await assert.rejects(submit(org1, run(fail(409, 'order exists'))), (error) => {
            assert.ok(error instanceof EndorseError);
            assert.equal(error.code, 10);
            assert.match(error.message, /failed to endorse transaction, see attached details for more info/);
            assert.equal(error.details.length, 1);
            assert.equal(error.details[0].mspId, org1);
            assert.match(error.details[0].message, /chaincode response 409, order exists/);
            assert.ok(error.details[0].address);
            return true;
        });
    });

    test('shows endorsements that do not match', async () => {
        const call = run(whoami(), put(key('asset'), 'value'));
        await assert.rejects(submit(org1, call), (error) => {
            assert.ok(error instanceof EndorseError);
            assert.equal(error.code, 10);
            assert.match(error.message, /10 ABORTED: failed to collect enough transaction endorsements/);
            assert.ok(error.details.some((detail) => detail.message === 'ProposalResponsePayloads do not match'));
            return true;
        });
    });

    test('resumes chaincode events at a file checkpoint', async () => {
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'checkpoint-'));
        const { network } = connections.get(org1);
        const names = ['one', 'two', 'three'].map(key);
        let startBlock;
        for (const name of names) {
            const call = run(put(name, 'x'), event(name, `payload of ${name}`));
            const submitted = await contractOf(org1).submitAsync(call.name, { arguments: call.arguments });
            const { blockNumber } = await submitted.getStatus();
            startBlock ??= blockNumber;
        }
        const checkpointer = await checkpointers.file(path.join(folder, 'checkpoint.json'));
        const seen = [];
        // The first listener stops after one event, the second takes up where it left.
        for (const wanted of [1, 2]) {
            const events = await network.getChaincodeEvents(chaincodeName, {
                startBlock,
                checkpoint: checkpointer,
            });
            try {
                let count = 0;
                for await (const found of events) {
                    seen.push([found.eventName, Buffer.from(found.payload).toString()]);
                    await checkpointer.checkpointChaincodeEvent(found);
                    count += 1;
                    if (count === wanted) {
                        break;
                    }
                }
            } finally {
                events.close();
            }
        }
        assert.deepEqual(seen, names.map((name) => [name, `payload of ${name}`]));
        fs.rmSync(folder, { recursive: true });
    });

    test('runs many transactions side by side', async () => {
        const assets = Array.from({ length: 16 }, () => key('asset'));
        await Promise.all(assets.map((asset) => submit(org1, run(put(asset, 'value')))));
        const found = await evaluate(org1, run(...assets.map(get)));
        assert.deepEqual(found, assets.map(() => 'value'));
    });
});
