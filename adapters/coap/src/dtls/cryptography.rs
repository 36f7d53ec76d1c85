//! The cryptography of `TLS_PSK_WITH_AES_128_CCM_8` and no other, out of RustCrypto's crates. What
//! dimpl brings along knows certificates and key exchanges, too, and is a twentieth of the program
//! that nobody could reach.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use aes_gcm::Aes128Gcm;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::aes::{Aes128, Block};
use ccm::aead::consts::{U8, U12};
use ccm::aead::{Nonce as NonceOf, Tag};
use ccm::{AeadInOut, Ccm, KeyInit};
use dimpl::crypto::{
    Aad, Buf, Cipher, CryptoProvider, Dtls12CipherSuite, Dtls13CipherSuite, HashAlgorithm,
    HashContext, HashProvider, HmacProvider, KeyProvider, Nonce, SecureRandom, SignatureAlgorithm,
    SignatureVerifier, SigningKey, SupportedDtls12CipherSuite, SupportedDtls13CipherSuite, TmpBuf,
};
use dimpl::{CryptoError, CryptoOperation};
use hmac::{Hmac, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

type Aes128Ccm8 = Ccm<Aes128, U8, U12>;

/// All that one cipher suite needs; dimpl tests it by known answers with each configuration.
pub(super) const PROVIDER: CryptoProvider = CryptoProvider {
    kx_groups: &[],
    signature_verification: &Absent,
    key_provider: &Absent,
    secure_random: &System,
    hash_provider: &Sha2,
    hmac_provider: &Sha2,
    cipher_suites: &[&PskAes128Ccm8],
    // Offered by nobody here, but without one dimpl takes no provider.
    dtls13_cipher_suites: &[&Aes128GcmSha256],
};

const fn failed(operation: CryptoOperation) -> CryptoError {
    CryptoError::OperationFailed(operation)
}

/// An AEAD that works on a record in place, with its tag behind it.
struct Sealing<A>(A);

impl<A> fmt::Debug for Sealing<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing(…)")
    }
}

impl<A> Sealing<A>
where
    A: AeadInOut + KeyInit + Send + Sync + UnwindSafe + RefUnwindSafe + 'static,
{
    fn with(key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        let aead = A::new_from_slice(key).map_err(|_| failed(CryptoOperation::CreateCipher))?;
        Ok(Box::new(Self(aead)))
    }
}

impl<A> Cipher for Sealing<A>
where
    A: AeadInOut + Send + Sync + UnwindSafe + RefUnwindSafe,
{
    fn encrypt(&mut self, record: &mut Buf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let nonce = NonceOf::<A>::try_from(&nonce[..]).map_err(|_| CryptoError::InvalidNonce)?;
        let tag = self.0.encrypt_inout_detached(&nonce, &aad, record.as_mut().into());
        record.extend_from_slice(&tag.map_err(|_| failed(CryptoOperation::Encrypt))?);
        Ok(())
    }

    fn decrypt(&mut self, record: &mut TmpBuf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let broken = || failed(CryptoOperation::Decrypt);
        let nonce = NonceOf::<A>::try_from(&nonce[..]).map_err(|_| CryptoError::InvalidNonce)?;
        let length = record.len().checked_sub(Tag::<A>::default().len()).ok_or_else(broken)?;
        let tag = Tag::<A>::try_from(&record.as_ref()[length..]).map_err(|_| broken())?;
        record.truncate(length);
        let text = record.as_mut().into();
        self.0.decrypt_inout_detached(&nonce, &aad, text, &tag).map_err(|_| broken())
    }
}

/// `TLS_PSK_WITH_AES_128_CCM_8` (RFC 6655, section 4).
#[derive(Debug)]
struct PskAes128Ccm8;

impl SupportedDtls12CipherSuite for PskAes128Ccm8 {
    fn suite(&self) -> Dtls12CipherSuite {
        Dtls12CipherSuite::PSK_AES128_CCM_8
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    /// Of the MAC, of the cipher, and of the nonce's fixed part (RFC 6655, section 3).
    fn key_lengths(&self) -> (usize, usize, usize) {
        (0, 16, 4)
    }

    fn explicit_nonce_len(&self) -> usize {
        8
    }

    fn tag_len(&self) -> usize {
        8
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        Sealing::<Aes128Ccm8>::with(key)
    }
}

/// `TLS_AES_128_GCM_SHA256` (RFC 9147, section 4.2.3).
#[derive(Debug)]
struct Aes128GcmSha256;

impl SupportedDtls13CipherSuite for Aes128GcmSha256 {
    fn suite(&self) -> Dtls13CipherSuite {
        Dtls13CipherSuite::AES_128_GCM_SHA256
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn key_len(&self) -> usize {
        16
    }

    fn iv_len(&self) -> usize {
        12
    }

    fn tag_len(&self) -> usize {
        16
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        Sealing::<Aes128Gcm>::with(key)
    }

    fn encrypt_sn(&self, key: &[u8], sample: &[u8; 16]) -> [u8; 16] {
        let mut block = Block::from(*sample);
        // A key of another length masks nothing, and dimpl's test of it fails.
        if let Ok(cipher) = Aes128::new_from_slice(key) {
            cipher.encrypt_block(&mut block);
        }
        block.into()
    }
}

/// SHA-256, for handshakes, keys and cookies.
#[derive(Debug)]
struct Sha2;

#[derive(Debug)]
struct Hashing(Sha256);

impl HashProvider for Sha2 {
    /// The suites ask for SHA-256 alone.
    fn create_hash(&self, _: HashAlgorithm) -> Box<dyn HashContext> {
        Box::new(Hashing(Sha256::new()))
    }
}

impl HashContext for Hashing {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn clone_and_finalize(&self, out: &mut Buf) {
        out.clear();
        out.extend_from_slice(&self.0.clone().finalize());
    }
}

impl HmacProvider for Sha2 {
    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        if hash != HashAlgorithm::SHA256 {
            return Err(CryptoError::UnsupportedHmacHash(hash));
        }
        let broken = |_| failed(CryptoOperation::ComputeHmac);
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(broken)?;
        mac.update(data);
        let code = mac.finalize().into_bytes();
        out[..code.len()].copy_from_slice(&code);
        Ok(code.len())
    }
}

/// The operating system's random numbers.
#[derive(Debug)]
struct System;

impl SecureRandom for System {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), CryptoError> {
        SysRng.try_fill_bytes(buffer).map_err(|_| failed(CryptoOperation::FillRandom))
    }
}

/// What certificates would need: there are none.
#[derive(Debug)]
struct Absent;

impl SignatureVerifier for Absent {
    fn verify_signature(
        &self,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: HashAlgorithm,
        algorithm: SignatureAlgorithm,
    ) -> Result<(), CryptoError> {
        Err(CryptoError::UnsupportedSignatureAlgorithm(algorithm))
    }
}

impl KeyProvider for Absent {
    fn load_private_key(&self, _: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        Err(failed(CryptoOperation::LoadPrivateKey))
    }
}
