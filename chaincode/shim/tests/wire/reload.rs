//! Certificates that change while the server runs.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use chaincode_shim::{ChaincodeServer, TlsConfig, success};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::certificates::{Authority, Leaf};
use crate::operations::get;
use crate::peer::{Peer, Running, config, script};
use crate::tls::{endpoint, is_refused, serves};

struct Files {
    folder: TempDir,
    http: SocketAddr,
    server: Running,
}

impl Files {
    async fn serve(leaf: &Leaf, clients: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(folder.path(), leaf, clients);
        let mut config = config();
        config.tls = Some(TlsConfig::new(path("cert"), path("key")).with_client_ca(path("clients")));
        let operations = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = operations.local_addr().unwrap();
        let chaincode = script(|_| async { success(b"served".to_vec()) });
        let server = ChaincodeServer::new(config, chaincode)
            .unwrap()
            .with_operations(operations);
        let server = Running::serve(server).await;
        Self { folder, http, server }
    }

    async fn loads(&self, result: &str, times: u32) {
        let text = get(self.http, "/metrics").await.1;
        let line = format!("chaincode_certificate_loads_total{{result=\"{result}\"}} {times}");
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

fn write(folder: &Path, leaf: &Leaf, clients: &Authority) {
    fs::write(folder.join("cert"), &leaf.certificate).unwrap();
    fs::write(folder.join("key"), &leaf.key).unwrap();
    fs::write(folder.join("clients"), clients.pem()).unwrap();
}

#[tokio::test]
async fn new_connections_use_new_certificates_and_open_ones_go_on() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::serve(&old.tls(), &old).await;
    let channel = endpoint(&files.server, &old, Some(old.tls()))
        .connect()
        .await
        .unwrap();
    let mut open = Peer::connect(channel).await;
    open.register(&[]).await;
    files.loads("loaded", 1).await;

    write(files.folder.path(), &new.tls(), &new);
    serves(
        endpoint(&files.server, &new, Some(new.tls()))
            .connect()
            .await
            .unwrap(),
    )
    .await;
    assert!(is_refused(endpoint(&files.server, &old, Some(new.tls()))).await);
    assert!(is_refused(endpoint(&files.server, &new, Some(old.tls()))).await);
    files.loads("loaded", 2).await;
    open.invoke("tx", &[]).await;
    assert_eq!(open.completed("tx").await.payload, b"served");
}

#[tokio::test]
async fn unusable_files_leave_the_certificates_in_use() {
    let (old, other) = (Authority::new("old"), Authority::new("other"));
    let files = Files::serve(&old.tls(), &old).await;
    let folder = files.folder.path();
    let good = old.tls();
    let mut refused = 0;
    let unusable: [(&str, &dyn Fn()); 6] = [
        ("no certificate", &|| {
            fs::write(folder.join("cert"), "renewed soon").unwrap();
        }),
        ("half a certificate", &|| {
            fs::write(
                folder.join("cert"),
                &good.certificate[..good.certificate.len() / 2],
            )
            .unwrap();
        }),
        ("another's key", &|| {
            fs::write(folder.join("key"), other.tls().key).unwrap();
        }),
        ("no key", &|| {
            fs::write(folder.join("key"), &good.certificate).unwrap();
        }),
        ("no authority", &|| fs::write(folder.join("clients"), "").unwrap()),
        ("a file gone", &|| {
            fs::remove_file(folder.join("clients")).unwrap();
        }),
    ];
    for (what, spoil) in unusable {
        write(folder, &good, &old);
        serves(
            endpoint(&files.server, &old, Some(old.tls()))
                .connect()
                .await
                .unwrap(),
        )
        .await;
        spoil();
        for _ in 0..2 {
            let channel = endpoint(&files.server, &old, Some(old.tls())).connect().await;
            serves(channel.unwrap_or_else(|error| panic!("{what}: {error}"))).await;
        }
        // Said once for each, however many connect.
        refused += 1;
        files.loads("refused", refused).await;
    }
    write(folder, &other.tls(), &other);
    serves(
        endpoint(&files.server, &other, Some(other.tls()))
            .connect()
            .await
            .unwrap(),
    )
    .await;
}
