#include "test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>

namespace fsm::testing {

namespace {

constexpr long kOneDay = 86400;

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
}

std::string pem(X509* certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return text_of(bio);
}

std::string pem(EVP_PKEY* key) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio);
}

void add_extension(X509* certificate, int id, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

X509* unsigned_certificate(EVP_PKEY* key, const std::string& common_name) {
    static std::atomic<long> serial = 1;
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -kOneDay);
    X509_gmtime_adj(X509_getm_notAfter(certificate), kOneDay);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                               0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

}  // namespace

class TestAuthority::Implementation {
  public:
    explicit Implementation(const std::string& name)
        : key_(EVP_EC_gen("P-256")), certificate_(unsigned_certificate(key_, name)) {
        X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_));
        add_extension(certificate_, NID_basic_constraints, "critical,CA:TRUE");
        X509_sign(certificate_, key_, EVP_sha256());
        text_ = pem(certificate_);
    }
    ~Implementation() {
        X509_free(certificate_);
        EVP_PKEY_free(key_);
    }
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;

    TestCertificate issue(const std::string& common_name,
                          const std::vector<std::string>& alternative_names) const {
        EVP_PKEY* key = EVP_EC_gen("P-256");
        X509* certificate = unsigned_certificate(key, common_name);
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate_));
        std::string names;
        for (const auto& name : alternative_names) {
            names += (names.empty() ? "" : ",") + name;
        }
        if (!names.empty()) {
            add_extension(certificate, NID_subject_alt_name, names);
        }
        X509_sign(certificate, key_, EVP_sha256());
        TestCertificate issued{pem(certificate), pem(key)};
        X509_free(certificate);
        EVP_PKEY_free(key);
        return issued;
    }
    const std::string& text() const { return text_; }

  private:
    EVP_PKEY* key_;
    X509* certificate_;
    std::string text_;
};

TestAuthority::TestAuthority(const std::string& name)
    : implementation_(std::make_unique<Implementation>(name)) {}

TestAuthority::~TestAuthority() = default;

const std::string& TestAuthority::certificate() const {
    return implementation_->text();
}

TestCertificate TestAuthority::issue(const std::string& common_name,
                                     const std::vector<std::string>& alternative_names) const {
    return implementation_->issue(common_name, alternative_names);
}

}  // namespace fsm::testing
