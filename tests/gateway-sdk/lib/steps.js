// The test chaincode does what its one argument tells it, step by step, and answers with one result for each. Steps are written as
// Rust's serde writes an enum: a name alone, or a name with its arguments.
'use strict';

const steps = {
    put: (key, value) => ({ Put: [key, value] }),
    get: (key) => ({ Get: key }),
    event: (name, payload) => ({ Event: [name, payload] }),
    putTransient: (collection, key, name) => ({ PutTransient: [collection, key, name] }),
    getPrivate: (collection, key) => ({ GetPrivate: [collection, key] }),
    setPolicy: (key, mspIds) => ({ SetPolicy: [key, mspIds] }),
    fail: (status, message) => ({ Fail: [status, message] }),
    whoami: () => 'Whoami',
};

// Arguments of the transaction function that runs them.
function run(...all) {
    return { name: 'Run', arguments: [JSON.stringify(all)] };
}

function decode(result) {
    return JSON.parse(Buffer.from(result).toString());
}

module.exports = { decode, run, ...steps };
