# shellcheck shell=bash
# The cluster's certificate authority, and the client certificates for the API server.
# shellcheck disable=SC2154  # settings.sh assigns it
: "${here:?source settings.sh first}"

make_keys() {
    mkdir -p "$pki"
    [[ -s $pki/ca.crt ]] || make_authority
    certificate "$node" "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:$node_ip,IP:127.0.0.1"
    kubeconfig "$state/etc/kubelet.kubeconfig" "$node"
    kubeconfig "$state/etc/proxy.kubeconfig" proxy
    [[ $number == 1 ]] || return 0
    kubeconfig "$state/etc/controller-manager.kubeconfig" controller-manager
    kubeconfig "$state/etc/scheduler.kubeconfig" scheduler
    kubeconfig "$KUBECONFIG" admin
}

make_authority() {
    openssl_quiet req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout "$pki/ca.key" -out "$pki/ca.crt" -days 365 -subj /CN=ca \
        -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
    openssl_quiet genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$pki/sa.key"
    openssl_quiet pkey -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
    local names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
    names+=,DNS:kubernetes.default.svc.$domain,DNS:localhost
    certificate apiserver /CN=kube-apiserver \
        "$names,IP:127.0.0.1,IP:$control_ip,IP:$first_service_ip"
    certificate apiserver-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
    certificate front-proxy /CN=front-proxy-client
    certificate controller-manager /CN=system:kube-controller-manager
    certificate scheduler /CN=system:kube-scheduler
    certificate proxy /CN=system:kube-proxy
    certificate admin /O=system:masters/CN=admin
}

# certificate NAME SUBJECT [ALTERNATIVE_NAMES]
certificate() {
    local name=$1 subject=$2 alternatives=${3:-}
    [[ ! -s $pki/$name.crt ]] || return 0
    openssl_quiet req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout "$pki/$name.key" -out "$pki/$name.csr" -subj "$subject"
    openssl_quiet x509 -req -in "$pki/$name.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" \
        -CAcreateserial -days 365 -out "$pki/$name.crt" -extfile <(
            printf 'keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n'
            printf '%s\n' "${alternatives:+subjectAltName=$alternatives}"
        )
}

# openssl prints its progress on standard error: shown only if it fails.
openssl_quiet() {
    local words
    words=$(openssl "$@" 2>&1) || die "openssl $1: $words"
}

# kubeconfig FILE CERTIFICATE
kubeconfig() {
    [[ ! -s $1 ]] || return 0
    cat >"$1" <<KUBECONFIG
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$api_server", certificate-authority: $pki/ca.crt}}]
users: [{name: test, user: {client-certificate: $pki/$2.crt, client-key: $pki/$2.key}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
KUBECONFIG
}
