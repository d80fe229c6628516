# Certificates of a network, made by Fabric's cryptogen: an MSP with node roles (NodeOUs) for each organisation.
# shellcheck shell=bash

cryptogen_configuration() {
    local organisation i
    cat <<YAML
OrdererOrgs:
  - Name: Orderer
    Domain: orderer.example.com
    EnableNodeOUs: true
    Specs:
YAML
    for i in $(orderer_numbers); do
        echo "      - {Hostname: orderer$i, SANS: [localhost, 127.0.0.1]}"
    done
    echo "PeerOrgs:"
    for organisation in "${ORGANISATIONS[@]}"; do
        cat <<YAML
  - Name: $organisation
    Domain: $(domain_of "$organisation")
    EnableNodeOUs: true
    Template: {Count: ${SETTING[peers]}, SANS: [localhost, 127.0.0.1]}
    Users: {Count: ${SETTING[users]}}
YAML
    done
}

make_certificates() {
    if [[ -d $RUN/crypto ]]; then return; fi
    say "certificates: ${ORGANISATIONS[*]}, orderer"
    cryptogen_configuration >"$RUN/crypto-config.yaml"
    rm -rf "$RUN/crypto.new"
    "${BIN}cryptogen" generate --config="$RUN/crypto-config.yaml" --output="$RUN/crypto.new" >/dev/null
    mv "$RUN/crypto.new" "$RUN/crypto"
}
