// Connections of the official SDK to a Fabric network, real or the devnet, as environment variables say:
//
//   FABRIC_CRYPTO     folder with peerOrganizations/<domain>/... in cryptogen's layout
//   FABRIC_CHANNEL    channel name                              (mychannel)
//   FABRIC_CHAINCODE  chaincode name                            (basic)
//   FABRIC_GATEWAYS   JSON: [{"mspId", "domain", "address"}], the Gateway of a peer for each organisation
//   FABRIC_USER       user whose identity signs                 (User1)
'use strict';

const grpc = require('@grpc/grpc-js');
const { connect, hash, signers } = require('@hyperledger/fabric-gateway');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

function required(name) {
    const value = process.env[name];
    if (!value) {
        throw new Error(`${name} is not set; see lib/network.js`);
    }
    return value;
}

function onlyFile(folder) {
    const [name] = fs.readdirSync(folder).sort();
    if (!name) {
        throw new Error(`${folder} is empty`);
    }
    return fs.readFileSync(path.join(folder, name));
}

const channelName = process.env.FABRIC_CHANNEL || 'mychannel';
const chaincodeName = process.env.FABRIC_CHAINCODE || 'basic';
const user = process.env.FABRIC_USER || 'User1';
const organisations = JSON.parse(required('FABRIC_GATEWAYS'));

// A Gateway connection of one organisation's user. Close it when done.
function connectAs(mspId) {
    const organisation = organisations.find((candidate) => candidate.mspId === mspId);
    if (!organisation) {
        throw new Error(`FABRIC_GATEWAYS names no ${mspId}`);
    }
    const { domain, address } = organisation;
    const home = path.join(required('FABRIC_CRYPTO'), 'peerOrganizations', domain);
    const tlsCa = fs.readFileSync(path.join(home, 'tlsca', `tlsca.${domain}-cert.pem`));
    const client = new grpc.Client(address, grpc.credentials.createSsl(tlsCa), {
        'grpc.ssl_target_name_override': `peer0.${domain}`,
    });
    const msp = path.join(home, 'users', `${user}@${domain}`, 'msp');
    const gateway = connect({
        client,
        identity: { mspId, credentials: onlyFile(path.join(msp, 'signcerts')) },
        signer: signers.newPrivateKeySigner(crypto.createPrivateKey(onlyFile(path.join(msp, 'keystore')))),
        hash: hash.sha256,
        evaluateOptions: deadline(30),
        endorseOptions: deadline(30),
        submitOptions: deadline(30),
        commitStatusOptions: deadline(60),
    });
    const network = gateway.getNetwork(channelName);
    return {
        network,
        contract: network.getContract(chaincodeName),
        close() {
            gateway.close();
            client.close();
        },
    };
}

function deadline(seconds) {
    return () => ({ deadline: Date.now() + seconds * 1000 });
}

module.exports = {
    chaincodeName,
    channelName,
    connectAs,
    mspIds: organisations.map((organisation) => organisation.mspId),
};
