# TLS between an organisation's peers, its chaincode server and its sidecar, and between the organisations' sidecars. It is
# apart from the organisation's MSP: a small certificate authority of its own, so that none of these keys is worth
# anything on the channel.
# shellcheck shell=bash

# make_authority DIRECTORY NAME : ca.crt, ca.key
make_authority() {
    if [[ -f $1/ca.crt && -f $1/ca.key ]]; then return; fi
    mkdir -p "$1"
    openssl_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 \
        -subj "/O=$2/CN=$2 services" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$1/ca.key" -out "$1/ca.crt"
}

# issue_certificate DIRECTORY ROLE USAGE [HOST...] : ROLE.crt, ROLE.key. USAGE: serverAuth, clientAuth or both with a comma.
# One that exists is kept as long as it is for these hosts.
issue_certificate() {
    local directory=$1 role=$2 usage=$3 names='' host
    shift 3
    for host in $(printf '%s\n' "$@" | sort -u); do
        if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
    done
    names=${names#,}
    if [[ -f $directory/$role.key && $(cat "$directory/$role.names" 2>/dev/null) == "$names" ]]; then return; fi
    openssl_quietly req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
        -subj "/O=$(openssl x509 -in "$directory/ca.crt" -noout -subject -nameopt multiline |
            sed -n 's/^ *organizationName *= //p')/CN=$role" \
        -keyout "$directory/$role.key" -out "$directory/$role.csr"
    openssl_quietly x509 -req -in "$directory/$role.csr" -CA "$directory/ca.crt" -CAkey "$directory/ca.key" \
        -CAcreateserial -sha256 -days 825 -out "$directory/$role.crt" -extfile <(
            echo "basicConstraints=critical,CA:FALSE"
            echo "keyUsage=critical,digitalSignature"
            echo "extendedKeyUsage=$usage"
            if [[ -n $names ]]; then echo "subjectAltName=$names"; fi
        )
    rm "$directory/$role.csr"
    echo "$names" >"$directory/$role.names"
}

# openssl tells its life's story on standard error even when all is well.
openssl_quietly() {
    local answer
    answer=$(openssl "$@" 2>&1) || fail "openssl $1: $answer"
}

# SHA-256 over a certificate's public key (DER SubjectPublicKeyInfo), in hexadecimal.
public_key_hash() {
    openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform der | sha256sum | cut -d ' ' -f 1
}
