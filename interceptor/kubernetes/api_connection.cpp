#include "interceptor/kubernetes/api_connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <utility>

namespace fsm {

namespace {

struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

Error tls_error(const std::string& what) {
    const unsigned long code = ERR_get_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    ERR_clear_error();
    return Error(what + (reason == nullptr ? "" : std::string(": ") + reason), EINVAL);
}

Bio reader_of(const std::string& text) {
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string origin_of(const Credential& credential) {
    return credential.file.empty() ? "the kubeconfig" : credential.file;
}

// No key is asked for on a terminal.
int no_passphrase(char*, int, int, void*) {
    return 0;
}

bool is_address(const std::string& host) {
    in6_addr address{};
    return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
           inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// A peer that vanished without a word is noticed within 30 s, whatever a stream's silence means.
void watch_over(int socket) {
    const int on = 1;
    const int idle_seconds = 15;
    const int interval_seconds = 5;
    const int probes = 3;
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof(idle_seconds));
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof(interval_seconds));
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

// The first address of a name, for a connection that is verified by another name.
Result<std::string> address_of(const std::string& host) {
    if (is_address(host)) {
        return host;
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int failure = getaddrinfo(host.c_str(), nullptr, &hints, &found); failure != 0) {
        return Error("look up " + host + ": " + gai_strerror(failure));
    }
    const std::unique_ptr<addrinfo, Free> list(found);
    char text[NI_MAXHOST];
    if (getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
        return Error("look up " + host + ": it has no address");
    }
    return std::string(text);
}

}  // namespace

Result<std::unique_ptr<ApiConnection>> ApiConnection::make(const ClusterAccess& access,
                                                           const ConnectionTimes& times) {
    const std::string tls_name =
        access.tls_server_name.empty() ? access.host : access.tls_server_name;
    std::unique_ptr<ApiConnection> made(new ApiConnection(access, tls_name));
    if (!made->client_.is_valid()) {
        return tls_error("set up TLS");
    }
    if (tls_name != access.host) {
        FSM_ASSIGN(const auto address, address_of(access.host));
        made->client_.set_hostname_addr_map({{tls_name, address}});
    }
    made->set_times(times);
    FSM_TRY(made->set_up_tls(access, tls_name));
    return made;
}

ApiConnection::ApiConnection(const ClusterAccess& access, const std::string& tls_name)
    : client_(tls_name, access.port) {
    client_.set_keep_alive(true);
    client_.set_url_encode(false);  // paths come encoded
    client_.set_tcp_nodelay(true);
    client_.set_socket_options([](int socket) { watch_over(socket); });
}

void ApiConnection::set_times(const ConnectionTimes& times) {
    client_.set_connection_timeout(times.connect);
    client_.set_write_timeout(times.connect);
    client_.set_read_timeout(times.silence);
}

// cpp-httplib's own verification would trust the system's authorities beside the cluster's: OpenSSL
// verifies by itself, during the handshake.
Result<void> ApiConnection::set_up_tls(const ClusterAccess& access, const std::string& tls_name) {
    SSL_CTX* context = client_.ssl_context();
    client_.enable_server_certificate_verification(false);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (!access.skip_verification) {
        FSM_TRY(trust(access));
        FSM_TRY(expect_name(tls_name));
        SSL_CTX_set_app_data(context, this);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_verification);
    }
    if (access.client_certificate.is_given()) {
        FSM_TRY(show_certificate(access));
    }
    return {};
}

Result<void> ApiConnection::trust(const ClusterAccess& access) {
    SSL_CTX* context = client_.ssl_context();
    if (!access.authority.is_given()) {
        return SSL_CTX_set_default_verify_paths(context) == 1
                   ? Result<void>()
                   : tls_error("read the system's certificate authorities");
    }
    const std::string origin = origin_of(access.authority);
    FSM_ASSIGN(const auto text, access.authority.read());
    const Bio bio = reader_of(text);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    bool any = false;
    while (const Certificate authority{
        PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
        any = X509_STORE_add_cert(store, authority.get()) == 1 || any;
    }
    ERR_clear_error();  // the end of the text is one
    // What is given is trusted, be it a root or not: ca.crt may hold an intermediate authority.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (!any) {
        return Error("the certificate authority in " + origin + " is not a PEM certificate",
                     EINVAL);
    }
    return {};
}

Result<void> ApiConnection::expect_name(const std::string& name) {
    X509_VERIFY_PARAM* parameters = SSL_CTX_get0_param(client_.ssl_context());
    // A certificate without alternative names matches no host, as for Kubernetes' own clients.
    X509_VERIFY_PARAM_set_hostflags(
        parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const int set = is_address(name)
                        ? X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str())
                        : X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size());
    return set == 1 ? Result<void>()
                    : tls_error("\"" + name + "\" cannot be the name of a TLS server");
}

Result<void> ApiConnection::show_certificate(const ClusterAccess& access) {
    SSL_CTX* context = client_.ssl_context();
    FSM_ASSIGN(const auto certificate_text, access.client_certificate.read());
    FSM_ASSIGN(const auto key_text, access.client_key.read());
    const Bio bio = reader_of(certificate_text);
    const Certificate own{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)};
    if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) {
        return tls_error("use the client certificate in " + origin_of(access.client_certificate));
    }
    while (const Certificate next{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
        SSL_CTX_add1_chain_cert(context, next.get());
    }
    ERR_clear_error();
    const Bio key_bio = reader_of(key_text);
    const Key key{PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_passphrase, nullptr)};
    if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
        return tls_error("use the client key in " + origin_of(access.client_key));
    }
    return {};
}

int ApiConnection::note_verification(int accepted, X509_STORE_CTX* context) {
    if (accepted == 0) {
        const auto* ssl = static_cast<const SSL*>(
            X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
        auto* self = static_cast<ApiConnection*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
        self->verification_failure_ =
            X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
    }
    return accepted;
}

std::string ApiConnection::describe(httplib::Error failure) const {
    switch (failure) {
        case httplib::Error::Connection:
        case httplib::Error::BindIPAddress:
            return "cannot connect";
        case httplib::Error::ConnectionTimeout:
            return "cannot connect: no answer in time";
        case httplib::Error::SSLConnection:
            return verification_failure_.empty()
                       ? "the TLS handshake failed"
                       : "the server's certificate is not accepted: " + verification_failure_;
        case httplib::Error::Read:
            return "the connection broke, or there was no answer in time";
        case httplib::Error::Write:
            return "the request could not be sent";
        default:
            return httplib::to_string(failure);
    }
}

}  // namespace fsm
