// A whole IPO through the official Gateway SDK, from listing to settlement, on any network that a `network.json` describes:
// the embedded one (`scripts/demo --keep`) or one of Fabric's own programs (`scripts/network`).
//
//     node ipo.mjs path/to/network.json [BROKER...]
//
// The first organisation is the bank. The others are the brokers; where there is but one other, the bank is a broker too. Or name the
// brokers, by their organisations' names.
// It prints a line for each step and ends with status 1 at the first answer that is not what it should be.

import assert from 'node:assert/strict';
import { createDecipheriv, createPrivateKey, randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { StatusCode, checkpointers, connect, hash, signers } from '@hyperledger/fabric-gateway';

const SEALED = Buffer.from('ipo-chaincode sealed answer v1');
const PATIENCE_MS = 60_000;
const RETRY_MS = 10_000;
const CONFLICTS = [StatusCode.MVCC_READ_CONFLICT, StatusCode.PHANTOM_READ_CONFLICT];
const BEHIND = /ORDER_HASH_NOT_YET_COMMITTED|ProposalResponsePayloads do not match/;

const [descriptionFile, ...brokerNames] = process.argv.slice(2);
if (!descriptionFile) {
    console.error('usage: node ipo.mjs path/to/network.json [BROKER...]');
    process.exit(2);
}
const description = JSON.parse(await fs.readFile(descriptionFile, 'utf8'));
const [bankAt, brokersAt] = cast(description.organisations, brokerNames);

// The brokers' orders: [id, [[price, quantity]...]]. A further broker takes part without any.
const BOOKS = [
    [['a1', [[500, 10_000], [700, 7_000], [1000, 4_500]]], ['a2', [[600, 9_000], [700, 9_000]]]],
    [['b1', [[500, 15_000], [800, 12_000]]]],
];
const SHARES = 25_000;
const CASH = 50_000_000; // of each broker, of which it locks
const ESCROW = 20_000_000;
// What comes of it: with the first book alone demand never reaches the shares for sale, so all of it is filled at the lowest price.
const OUTCOME = brokersAt.length === 1
    ? { price: 500, quantities: [19_000], a1: 10_000 }
    : { price: 700, quantities: [13_000, 12_000], a1: 6_347 };

/** Who is the bank and who are the brokers. */
function cast(organisations, names) {
    assert(organisations.length >= 2, `an IPO takes two organisations, this network has ${organisations.length}`);
    const [bank, ...others] = organisations;
    if (names.length === 0) return [bank, others.length === 1 ? [...others, bank] : others];
    for (const name of names) {
        assert(organisations.some((candidate) => candidate.name === name),
            `broker ${name} is none of ${organisations.map((candidate) => candidate.name).join(', ')}`);
    }
    const brokers = others.filter((candidate) => names.includes(candidate.name));
    assert(brokers.length > 0, `beside the bank, ${bank.name}, there has to be a broker`);
    return [bank, names.includes(bank.name) ? [...brokers, bank] : brokers];
}

/** The only file of a folder. */
async function onlyFile(folder) {
    const [name] = await fs.readdir(folder);
    return fs.readFile(path.join(folder, name));
}

/** A user of an organisation, connected to the organisation's own peer. */
class Desk {
    static async open(organisation, user) {
        const folders = await fs.readdir(organisation.users);
        const folder = folders.find((name) => name.startsWith(`${user}@`));
        assert(folder, `${organisation.name} has no user ${user}`);
        const msp = path.join(organisation.users, folder, 'msp');
        const client = new grpc.Client(
            organisation.peer,
            grpc.credentials.createSsl(await fs.readFile(organisation.tlsCa)),
            { 'grpc.ssl_target_name_override': organisation.peerHostAlias },
        );
        const signer = signers.newPrivateKeySigner(createPrivateKey(await onlyFile(path.join(msp, 'keystore'))));
        const gateway = connect({
            client,
            identity: { mspId: organisation.msp, credentials: await onlyFile(path.join(msp, 'signcerts')) },
            signer,
            hash: hash.sha256,
        });
        return new Desk(organisation, client, signer, gateway);
    }

    constructor(organisation, client, signer, gateway) {
        this.organisation = organisation;
        this.client = client;
        this.signer = signer;
        this.gateway = gateway;
        this.network = gateway.getNetwork(description.channel);
    }

    contract(name) {
        return this.network.getContract(description.chaincode, name);
    }

    /**
     * Every organisation endorses. Returns when every organisation's peer has committed it: what one peer has is not yet
     * what another answers from.
     */
    async submit(call, ...args) {
        const deadline = Date.now() + RETRY_MS;
        for (;;) {
            const submitted = await this.endorse(call, args, deadline);
            const signature = await this.signer(submitted.getDigest());
            const statuses = [];
            for (const own of [this, ...desks.values()]) {
                statuses.push(await own.gateway.newSignedCommit(submitted.getBytes(), signature).getStatus());
            }
            if (statuses.every((status) => status.successful)) {
                return answer(submitted.getResult());
            }
            // What was done already says so when it is submitted again.
            const [{ code }] = statuses;
            assert(CONFLICTS.includes(code) && Date.now() < deadline, `${call} is invalid: ${code}`);
        }
    }

    /** Tries again as long as another organisation's peer has not committed what the call builds on: nothing has happened yet. */
    async endorse(call, args, deadline) {
        const [contract, name] = split(call);
        for (;;) {
            try {
                return await this.contract(contract).submitAsync(name, { arguments: args });
            } catch (error) {
                const messages = [error.message, ...(error.details ?? []).map((detail) => detail.message)].join();
                const behind = error.code === grpc.status.ABORTED && BEHIND.test(messages);
                if (!behind || Date.now() >= deadline) throw error;
                await pause(50); // no peer tells when another has committed
            }
        }
    }

    /** The own organisation alone sees and endorses. */
    async submitPrivately(call, args, transientData = {}) {
        const [contract, name] = split(call);
        return answer(await this.contract(contract).submit(name, {
            arguments: args,
            transientData,
            endorsingOrganizations: [this.organisation.msp],
        }));
    }

    /** The own peer answers, and no other is asked. */
    async query(call, ...args) {
        const [contract, name] = split(call);
        return answer(await this.contract(contract).evaluate(name, {
            arguments: args,
            endorsingOrganizations: [this.organisation.msp],
        }));
    }

    /** Private data, encrypted under a key that is used once. */
    async queryPrivately(name, ...args) {
        const responseKey = randomBytes(32);
        const sealed = answer(await this.contract().evaluate(name, {
            arguments: args,
            transientData: { responseKey },
            endorsingOrganizations: [this.organisation.msp],
        }));
        const bytes = Buffer.from(sealed.ciphertext, 'hex');
        const cipher = createDecipheriv('aes-256-gcm', responseKey, Buffer.from(sealed.nonce, 'hex'));
        cipher.setAAD(SEALED);
        cipher.setAuthTag(bytes.subarray(-16));
        return JSON.parse(Buffer.concat([cipher.update(bytes.subarray(0, -16)), cipher.final()]).toString());
    }

    close() {
        this.gateway.close();
        this.client.close();
    }
}

/** `token:Mint` is the function Mint of the contract token; without a colon it is the default contract's. */
function split(call) {
    const [first, second] = call.split(':');
    return second === undefined ? [undefined, first] : [first, second];
}

function answer(bytes) {
    return bytes.length === 0 ? null : JSON.parse(Buffer.from(bytes).toString());
}

function say(who, what) {
    console.log(`${who.padStart(9)}  ${what}`);
}

/** The refusal's details as a user sees them: what the endorsers said. */
async function refused(call, expected) {
    try {
        await call();
    } catch (error) {
        const messages = [error.message, ...(error.details ?? []).map((detail) => detail.message)];
        assert(messages.some((message) => expected.test(message)), `expected ${expected}, got:\n${messages.join('\n')}`);
        return;
    }
    assert.fail(`expected a refusal like ${expected}`);
}

const id = `sdk-${Date.now().toString(36)}`;
const symbol = `S${Date.now().toString(36).slice(-6).toUpperCase()}`;
const cash = `C${Date.now().toString(36).slice(-6).toUpperCase()}`;
const desks = new Map();
const opened = [];
async function desk(organisation, user) {
    const made = await Desk.open(organisation, user);
    opened.push(made);
    return made;
}

try {
    for (const organisation of description.organisations) {
        const admin = await desk(organisation, 'Admin');
        await admin.submit('RegisterSidecar', organisation.sidecarEndpoint, organisation.sidecarKeyHash, '');
        desks.set(organisation.msp, await desk(organisation, 'User1'));
        say(organisation.name, `registered its sidecar at ${organisation.sidecarEndpoint}`);
    }
    const bank = desks.get(bankAt.msp);
    const brokers = brokersAt.map((organisation) => desks.get(organisation.msp));

    await bank.submit('token:CreateToken', cash, 'US dollar', '2');
    for (const broker of brokers) {
        await bank.submit('token:Mint', cash, broker.organisation.msp, String(CASH));
    }
    say(bankAt.name, `issued ${cash}`);

    const day = 86_400_000;
    const at = (time) => new Date(time).toISOString();
    const now = Date.now();
    await bank.submit('CreateListing', JSON.stringify({
        id, symbol, category: 'Series A', description: 'Homes to let, run well',
        shares: SHARES, lotSize: 1, price: { min: 500, max: 1000, tick: 100 },
        opensAt: at(now - 1000), closesAt: at(now + 7 * day), allocation: 'price-priority', minSubscription: 0,
        settlementDeadline: at(now + 14 * day), cashToken: cash,
        brokers: brokers.map((broker) => broker.organisation.msp),
    }));
    say(bankAt.name, `listed ${id}`);

    // Each organisation's application starts its own clearing on the event, and keeps a checkpoint.
    const participants = [...new Set([bank, ...brokers])];
    const joins = participants.map(async (own) => {
        const checkpointer = checkpointers.inMemory();
        const events = await own.network.getChaincodeEvents(description.chaincode, { checkpoint: checkpointer, startBlock: 0n });
        try {
            for await (const event of events) {
                await checkpointer.checkpointChaincodeEvent(event);
                if (event.eventName === 'BooksFrozen' && answer(event.payload).id === id) {
                    const progress = await own.query('JoinClearing', id);
                    say(own.organisation.name, `joined the clearing: ${progress.state}`);
                    return;
                }
            }
        } finally {
            events.close();
        }
    });

    for (const [place, broker] of brokers.entries()) {
        const coins = await broker.query('token:Tokens', cash, broker.organisation.msp);
        await broker.submit('DepositEscrow', id, JSON.stringify(coins.map((coin) => coin.id)), String(ESCROW));
        for (const [orderId, schedule] of BOOKS[place] ?? []) {
            const order = Buffer.from(JSON.stringify({
                investor: `client of ${broker.organisation.name}`,
                steps: schedule.map(([price, quantity]) => ({ price, quantity })),
                salt: randomBytes(32).toString('hex'),
            }));
            const created = await broker.submitPrivately('CreateOrder', [id, orderId], { order });
            await broker.submit('SubmitOrder', id, orderId, created.commitment);
            say(broker.organisation.name, `placed ${orderId}`);
        }
    }

    // As a user sees mistakes.
    const first = brokers[0];
    const other = [...brokers.slice(1), bank].find((own) => own !== first);
    const bad = (order) => first.submitPrivately('CreateOrder', [id, 'bad'], { order: Buffer.from(JSON.stringify(order)) });
    const salt = randomBytes(32).toString('hex');
    await refused(() => bad({ investor: 'x', steps: [{ price: 550, quantity: 1 }], salt }), /price/);
    await refused(() => bad({ investor: 'x', steps: [{ price: 500, quantity: 1 }, { price: 600, quantity: 2 }], salt }), /rise|quantit/i);
    await refused(() => bad({ investor: 'x', steps: [{ price: 500, quantity: 1 }] }), /salt/);
    await refused(() => first.submit('SubmitOrder', id, 'a1', '02'.padEnd(66, '0')), /a1|commitment/);
    await refused(() => first.submit('CloseListing', id), /CloseListing is possible from/);
    await refused(() => first.submit('NoSuchFunction'), /NoSuchFunction/);
    say('users', 'saw their mistakes named');

    await bank.submit('CloseListing', id);
    await refused(() => first.submitPrivately('CreateOrder', [id, 'late'], {
        order: Buffer.from(JSON.stringify({ investor: 'x', steps: [{ price: 500, quantity: 1 }], salt })),
    }), /closed|available/);
    await bank.submit('FreezeBooks', id);
    say(bankAt.name, `closed ${id} and froze the books`);
    await Promise.all(joins);

    const deadline = Date.now() + PATIENCE_MS;
    for (const own of participants) {
        for (;;) {
            const progress = await own.query('ClearingStatus', id);
            if (progress.state === 'done') break;
            assert(progress.state !== 'failed' && Date.now() < deadline, JSON.stringify(progress));
            await pause(50); // the contract answers at once and pushes nothing
        }
    }
    const sold = await bank.submit('SellListing', id);
    assert.equal(sold.status, 'sold');
    assert.equal(sold.outcome.clearingPrice, OUTCOME.price);
    const bought = new Map(participants.map((own) => [own.organisation.msp, 0]));
    brokers.forEach((broker, place) => bought.set(broker.organisation.msp, OUTCOME.quantities[place] ?? 0));
    const total = [...bought.values()].reduce((sum, quantity) => sum + quantity);
    assert.equal(sold.outcome.sold, total);
    const allotted = sold.outcome.allocations.map(({ msp, quantity }) => [msp, quantity]);
    assert.deepEqual(Object.fromEntries(allotted), Object.fromEntries(bought));
    say(bankAt.name, `sold ${total} shares of ${id} at ${(OUTCOME.price / 100).toFixed(2)}`);

    for (const [place, broker] of brokers.entries()) {
        const ids = (BOOKS[place] ?? []).map(([orderId]) => orderId);
        if (ids.length > 0) await broker.submitPrivately('RecordAllocations', [id, JSON.stringify(ids)]);
        await broker.submit('Settle', id, broker.organisation.msp);
    }
    await refused(() => first.submit('Settle', id, first.organisation.msp), /already settled/i);
    const got = await first.queryPrivately('ReadAllocation', id, 'a1');
    assert.equal(got.quantity, OUTCOME.a1);
    // Another organisation's client gets nothing, wherever it asks.
    await refused(() => other.contract().evaluate('ReadOrder', {
        arguments: [id, 'a1'],
        transientData: { responseKey: randomBytes(32) },
        endorsingOrganizations: [first.organisation.msp],
    }), /MSP|organi[sz]ation/);

    const balance = (own, token) => own.query('token:BalanceOf', token, own.organisation.msp);
    for (const own of participants) {
        const quantity = bought.get(own.organisation.msp);
        assert.equal(Number(await balance(own, symbol)), quantity);
        const held = brokers.includes(own) ? CASH - quantity * OUTCOME.price : 0;
        assert.equal(Number(await balance(own, cash)), held + (own === bank ? total * OUTCOME.price : 0));
    }
    assert.equal((await bank.query('ReadListing', id)).settled, true);
    say('all', 'settled: shares delivered, cash paid, escrow returned');
} finally {
    for (const own of opened) own.close();
}
