//! Compiles every `.proto` file below `proto/` into one module tree, without `protoc`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Messages that may carry arguments, transient data, state or another secret; `src/opaque.rs` gives them a `Debug` that
/// shows none of it.
const OPAQUE: [&str; 20] = [
    ".protos.ChaincodeInput",
    ".protos.ChaincodeMessage",
    ".protos.ChaincodeProposalPayload",
    ".protos.Proposal",
    ".protos.SignedProposal",
    ".protos.PutState",
    ".protos.WriteRecord",
    ".protos.GetStateMultipleResult",
    ".protos.GetQueryResult",
    ".protos.QueryResultBytes",
    ".protos.Response",
    ".kvrwset.KVWrite",
    ".queryresult.KV",
    ".queryresult.KeyModification",
    ".rwset.CollectionPvtReadWriteSet",
    ".gateway.SubmitRequest",
    ".common.Payload",
    ".ipo.sidecar.v1.Opening",
    ".ipo.sidecar.v1.Step",
    ".ipo.sidecar.v1.Chunk",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed=proto");
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_imports(true).open_files(&files)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    // Ordered maps: what is encoded twice is the same bytes twice. No `connect` shorthand on clients: its name collides with
    // the method `Connect` of the chaincode service.
    tonic_prost_build::configure()
        .build_transport(false)
        .btree_map(".")
        .skip_debug(OPAQUE)
        .enum_attribute(".protos.ChaincodeMessage.Type", "#[derive(Debug)]")
        .enum_attribute(".protos.WriteRecord.Type", "#[derive(Debug)]")
        .include_file("packages.rs")
        .emit_rerun_if_changed(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
