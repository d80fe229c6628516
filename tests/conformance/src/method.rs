//! Every method by its name in Go.

use chaincode_shim::{
    ChaincodeStub, ClientIdentity, Error, KeyEndorsementPolicy, RoleType, create_composite_key,
    split_composite_key,
};
use serde_json::{Value, json};

use crate::answers::{Answer, bytes, done, hash, page, results, timestamp, value, values};

/// A method and its arguments. What is not there counts as empty.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a>(pub(crate) &'a [Value]);

impl<'a> Arguments<'a> {
    pub(crate) fn text(self, at: usize) -> &'a str {
        self.0.get(at).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn number(self, at: usize) -> i32 {
        self.text(at).parse().unwrap_or_default()
    }

    fn list(self, at: usize) -> Vec<String> {
        let list = self.0.get(at).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    fn bytes(self, at: usize) -> Vec<u8> {
        self.text(at).as_bytes().to_vec()
    }

    fn policy(self, role: usize, organisations: usize) -> Result<Vec<u8>, Error> {
        KeyEndorsementPolicy::and([])
            .add_orgs(self.role(role), self.list(organisations))?
            .encode()
    }

    fn role(self, at: usize) -> RoleType {
        if self.text(at) == "PEER" {
            RoleType::Peer
        } else {
            RoleType::Member
        }
    }
}

pub(crate) async fn perform(stub: &ChaincodeStub, method: &str, args: Arguments<'_>) -> Answer {
    if method.starts_with("cid.") {
        return identity(stub, method, args);
    }
    if method.contains("Private") || method == "PutTransient" {
        return private(stub, method, args).await;
    }
    if method.contains("By")
        || method.contains("AllStates")
        || method.contains("Query")
        || method.contains("History")
    {
        return query(stub, method, args).await;
    }
    match proposal(stub, method) {
        Some(answer) => answer,
        None => state(stub, method, args).await,
    }
}

/// What comes with a transaction.
fn proposal(stub: &ChaincodeStub, method: &str) -> Option<Answer> {
    let map = |map: &std::collections::BTreeMap<String, Vec<u8>>| {
        let entries = map.iter().map(|(name, value)| (name.clone(), bytes(value)));
        Value::Object(entries.collect())
    };
    Some(match method {
        "GetArgs" => Ok(stub.get_args().iter().skip(2).map(bytes).collect()),
        "GetStringArgs" => stub.get_string_args().map(|args| json!(args.get(2..))),
        "GetFunctionAndParameters" => stub
            .get_function_and_parameters()
            .map(|(function, parameters)| json!([function, parameters.len(), parameters.get(1..)])),
        "GetArgsSlice" => Ok(hash(stub.get_args_slice())),
        "GetTxID" => Ok(json!(stub.get_tx_id())),
        "GetChannelID" => Ok(json!(stub.get_channel_id())),
        "GetTxTimestamp" => stub
            .get_tx_timestamp()
            .map(|time| timestamp(time.seconds, time.nanos)),
        "GetCreator" => stub.get_creator().map(bytes),
        "GetBinding" => stub.get_binding().map(bytes),
        "GetTransient" => Ok(map(stub.get_transient())),
        "GetDecorations" => Ok(map(stub.get_decorations())),
        "GetSignedProposal" => stub
            .get_signed_proposal()
            .map(|signed| json!([hash(&signed.proposal_bytes), bytes(&signed.signature)])),
        "GetMSPID" => stub.get_mspid().map(|id| json!(id)),
        _ => return None,
    })
}

fn identity(stub: &ChaincodeStub, method: &str, args: Arguments<'_>) -> Answer {
    let client = ClientIdentity::new(stub)?;
    let name = args.text(1);
    Ok(match method {
        "cid.GetID" => json!(client.id()?),
        "cid.GetMSPID" => json!(client.msp_id()),
        "cid.GetAttributeValue" => {
            let found = client.attribute(name);
            json!([found.unwrap_or_default(), found.is_some()])
        }
        "cid.AssertAttributeValue" => done(client.assert_attribute(name, args.text(2))?),
        "cid.HasOUValue" => json!(client.has_organizational_unit(name)),
        "cid.GetX509Certificate" => client.certificate().map_or(Value::Null, hash),
        _ => return unknown(method),
    })
}

async fn state(stub: &ChaincodeStub, method: &str, args: Arguments<'_>) -> Answer {
    let key = args.text(1);
    let numbered = |n: i32| format!("{key}{n:04}");
    Ok(match method {
        "GetState" => value(stub.get_state(key).await?),
        "PutState" => done(stub.put_state(key, args.bytes(2)).await?),
        "PutStates" => {
            for n in 0..args.number(2) {
                stub.put_state(&numbered(n), args.bytes(3)).await?;
            }
            done(())
        }
        "DelState" => done(stub.del_state(key).await?),
        "GetMultipleStates" => values(stub.get_multiple_states(&args.list(1)).await?),
        "GetManyStates" => {
            let keys: Vec<_> = (0..args.number(2)).map(numbered).collect();
            values(stub.get_multiple_states(&keys).await?)
        }
        "StartWriteBatch" => {
            stub.start_write_batch();
            done(())
        }
        "FinishWriteBatch" => done(stub.finish_write_batch().await?),
        "CreateCompositeKey" => json!(create_composite_key(key, &args.list(2))?),
        "SplitCompositeKey" => json!(split_composite_key(key)?),
        "PutCompositeKey" => {
            let key = create_composite_key(key, &args.list(2))?;
            done(stub.put_state(&key, args.bytes(3)).await?)
        }
        "SetStateValidationParameter" => done(
            stub.set_state_validation_parameter(key, args.policy(2, 3)?)
                .await?,
        ),
        "GetStateValidationParameter" => value(stub.get_state_validation_parameter(key).await?),
        "ChangeStateValidationParameter" => {
            let old = stub
                .get_state_validation_parameter(key)
                .await?
                .unwrap_or_default();
            let changed = KeyEndorsementPolicy::decode(&old)?
                .add_orgs(args.role(2), args.list(3))?
                .del_orgs(args.list(4))?;
            stub.set_state_validation_parameter(key, changed.encode()?)
                .await?;
            json!(changed.list_orgs())
        }
        "InvokeChaincode" => {
            let call = args.list(2).into_iter().map(String::into_bytes).collect();
            let answer = stub.invoke_chaincode(key, call, args.text(3)).await?;
            json!([answer.status, answer.message, hash(answer.payload)])
        }
        "InvokeFails" => {
            stub.invoke_chaincode(key, Vec::new(), args.text(2)).await?;
            json!("made")
        }
        "SetEvent" => done(stub.set_event(key, args.bytes(2))?),
        _ => return unknown(method),
    })
}

async fn query(stub: &ChaincodeStub, method: &str, args: Arguments<'_>) -> Answer {
    let (one, two, three, four) = (args.text(1), args.text(2), args.text(3), args.text(4));
    match method {
        "GetStateByRange" => results(stub.get_state_by_range(one, two).await, three).await,
        "GetStateByRangeWithPagination" => stub
            .get_state_by_range_with_pagination(one, two, args.number(3), four)
            .await
            .map(page),
        "GetStateByPartialCompositeKey" => {
            let found = stub.get_state_by_partial_composite_key(one, &args.list(2)).await;
            results(found, three).await
        }
        "GetStateByPartialCompositeKeyWithPagination" => stub
            .get_state_by_partial_composite_key_with_pagination(one, &args.list(2), args.number(3), four)
            .await
            .map(page),
        "GetAllStatesCompositeKeyWithPagination" => stub
            .get_all_states_composite_key_with_pagination(args.number(1), two)
            .await
            .map(page),
        "GetQueryResult" => results(stub.get_query_result(one).await, two).await,
        "GetQueryResultWithPagination" => stub
            .get_query_result_with_pagination(one, args.number(2), three)
            .await
            .map(page),
        "GetHistoryForKey" => {
            let changes = stub.get_history_for_key(one).await?.collect().await?;
            let changes = changes.into_iter().map(|change| {
                let time = change.timestamp.unwrap_or_default();
                let time = timestamp(time.seconds, time.nanos);
                json!([change.tx_id, bytes(change.value), change.is_delete, time])
            });
            Ok(changes.collect())
        }
        _ => unknown(method),
    }
}

async fn private(stub: &ChaincodeStub, method: &str, args: Arguments<'_>) -> Answer {
    let (collection, key) = (args.text(1), args.text(2));
    Ok(match method {
        "GetPrivateData" => value(stub.get_private_data(collection, key).await?),
        "GetMultiplePrivateData" => values(stub.get_multiple_private_data(collection, &args.list(2)).await?),
        "GetPrivateDataHash" => value(stub.get_private_data_hash(collection, key).await?),
        "PutPrivateData" => done(stub.put_private_data(collection, key, args.bytes(3)).await?),
        "PutTransient" => {
            let found = stub.get_transient().get(args.text(3)).cloned();
            done(
                stub.put_private_data(collection, key, found.unwrap_or_default())
                    .await?,
            )
        }
        "PutPrivateCompositeKey" => {
            let key = create_composite_key(key, &args.list(3))?;
            done(stub.put_private_data(collection, &key, args.bytes(4)).await?)
        }
        "DelPrivateData" => done(stub.del_private_data(collection, key).await?),
        "PurgePrivateData" => done(stub.purge_private_data(collection, key).await?),
        "GetPrivateDataByRange" => {
            let found = stub
                .get_private_data_by_range(collection, key, args.text(3))
                .await;
            results(found, args.text(4)).await?
        }
        "GetPrivateDataByPartialCompositeKey" => {
            let found = stub
                .get_private_data_by_partial_composite_key(collection, key, &args.list(3))
                .await;
            results(found, args.text(4)).await?
        }
        "GetPrivateDataQueryResult" => {
            results(
                stub.get_private_data_query_result(collection, key).await,
                args.text(3),
            )
            .await?
        }
        "SetPrivateDataValidationParameter" => done(
            stub.set_private_data_validation_parameter(collection, key, args.policy(3, 4)?)
                .await?,
        ),
        "GetPrivateDataValidationParameter" => value(
            stub.get_private_data_validation_parameter(collection, key)
                .await?,
        ),
        _ => return unknown(method),
    })
}

fn unknown(method: &str) -> Answer {
    Ok(json!(format!("no method {method}")))
}
