/* test_sha256.c - the published examples: FIPS 180-4's (as NIST prints them) and RFC 4231's. */
#include "tests/unit/common/testing.h"

#include "common/sha256.h"

static void assert_hash(const char *text, size_t times, const char *want)
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_begin(&h);
    for (size_t i = 0; i < times; i++)
        sha256_add(&h, text, strlen(text));
    sha256_end(&h, digest);
    assert_string_equal(sha256_hex(digest, hex), want);
}

static void hashes_are_as_published(void **state)
{
    (void)state;
    assert_hash("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_hash("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void assert_mac(const void *key, size_t key_len, const void *data, size_t len,
                       const char *want)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    hmac_sha256(key, key_len, data, len, digest);
    assert_string_equal(sha256_hex(digest, hex), want);
}

static void signatures_are_as_published(void **state)
{
    (void)state;
    char key[131], data[50];
    memset(key, 0x0b, 20);
    assert_mac(key, 20, "Hi There", 8,
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_mac("Jefe", 4, "what do ya want for nothing?", 28,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 131);
    memset(data, 0xdd, 50);
    assert_mac(key, 20, data, 50,
               "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    assert_mac(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_as_published),
        cmocka_unit_test(signatures_are_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
