//! The hash to P-256 that the generators rest on, against the RFC's own vectors.

use hash2curve::{ExpandMsgXmd, hash_from_bytes};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{NistP256, Sec1Point};
use serde::Deserialize;
use sha2::Sha256;

#[derive(Deserialize)]
struct File {
    dst: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    msg: String,
    x: String,
    y: String,
}

#[test]
fn rfc_9380_appendix_j_1_1() {
    let file: File = serde_json::from_str(include_str!("vectors/hash-to-curve.json")).unwrap();
    assert_eq!(file.vectors.len(), 5);
    for vector in file.vectors {
        let point = hash_from_bytes::<NistP256, ExpandMsgXmd<Sha256>>(
            &[vector.msg.as_bytes()],
            &[file.dst.as_bytes()],
        )
        .unwrap();
        let encoded: Sec1Point = point.to_affine().to_sec1_point(false);
        assert_eq!(
            hex::encode(encoded.as_bytes()),
            format!("04{}{}", vector.x, vector.y),
            "{}",
            vector.msg
        );
    }
}
