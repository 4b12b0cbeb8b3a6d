// A certificate for the tests of TLS: self-signed for localhost, its key is no secret.

/** The private key. Shape: PEM. */
export const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghPzeISSAfvQK+Nyg
KHhGD+7UD/MI8IPT8foX2nO+fcChRANCAAR2/Cgp0zLo8+VzeiEZaty6a2Qqfokw
3k4spJwEKoFq2I78gzpPMcQ87MKAG3xZl7th+bC0jfsO3qDT/RoGLkem
-----END PRIVATE KEY-----
`;

/** The certificate. Shape: PEM. */
export const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUL+2X5efzT0mewdz8Jv8FBnZzNAwwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDIyMjkxM1oYDzIxMjYxMDMx
MjIyOTEzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR2/Cgp0zLo8+VzeiEZaty6a2Qqfokw3k4spJwEKoFq2I78gzpPMcQ8
7MKAG3xZl7th+bC0jfsO3qDT/RoGLkemo28wbTAdBgNVHQ4EFgQUgGOF6K0Hb0Th
h68kFAKiilk0qIYwHwYDVR0jBBgwFoAUgGOF6K0Hb0Thh68kFAKiilk0qIYwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDSAAwRQIgBhgA/jemSpaePZ2C/EUHO93ER5jaU28ZgQLEKJzLYw4CIQC+
nZaSFXSzjYNYZNfb6yv9B3aF0dPdBTnnGwr/TdnNpw==
-----END CERTIFICATE-----
`;
