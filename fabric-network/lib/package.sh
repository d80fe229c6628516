# Chaincode packages as the peer installs them, for chaincode that runs as a service: the peer gets an address and TLS
# material, no code. Packing is deterministic, so the same content has the same package id.
# shellcheck shell=bash

# A file's lines as the inside of a JSON string. PEM holds no character that needs another escape.
pem_in_json() { awk '{ printf "%s\\n", $0 }' "$1"; }

# connection_json ADDRESS TLS-DIRECTORY : how the peer dials the chaincode server: mutual TLS.
connection_json() {
    cat <<JSON
{
  "address": "$1",
  "dial_timeout": "10s",
  "tls_required": true,
  "client_auth_required": true,
  "client_key": "$(pem_in_json "$2/peer.key")",
  "client_cert": "$(pem_in_json "$2/peer.crt")",
  "root_cert": "$(pem_in_json "$2/ca.crt")"
}
JSON
}

# pack FILE... < directory in $PACK_FROM : a gzipped tar archive with nothing in it but names and contents.
pack() {
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -C "$PACK_FROM" -cf - "$@" | gzip -n
}

# make_package DIRECTORY LABEL : package.tar.gz and package-id from DIRECTORY/connection.json
make_package() {
    local directory=$1 label=$2 PACK_FROM
    PACK_FROM=$(mktemp -d "$directory/package.XXXXXX")
    cp "$directory/connection.json" "$PACK_FROM/"
    pack connection.json >"$PACK_FROM/code.tar.gz"
    printf '{"type":"ccaas","label":"%s"}' "$label" >"$PACK_FROM/metadata.json"
    pack metadata.json code.tar.gz >"$directory/package.tar.gz"
    rm -rf "$PACK_FROM"
    # What the peer will compute: the label and the SHA-256 of the package.
    printf '%s:%s\n' "$label" "$(sha256sum <"$directory/package.tar.gz" | cut -d ' ' -f 1)" >"$directory/package-id"
}
