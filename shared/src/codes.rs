//! The finer codes of checks, each with what happened, why it matters and what to do: the table behind `assay explain`.

/// Declares the codes in one table, so that none can be without its explanation.
macro_rules! codes {
    ($($variant:ident $name:literal $what:literal $why:literal $todo:literal)*) => {
        /// What exactly a check found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $what] $variant,)*
        }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as reports write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What happened.
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)*
                }
            }

            /// Why it matters.
            pub fn why(self) -> &'static str {
                match self {
                    $(Self::$variant => $why,)*
                }
            }

            /// What to do.
            pub fn what_to_do(self) -> &'static str {
                match self {
                    $(Self::$variant => $todo,)*
                }
            }
        }
    };
}

codes! {
    // Signature manifests and envelopes as blobs
    SignatureManifest "signature-manifest"
        "The signature manifest does not hold exactly one envelope, or its size is not what the listing says."
        "It cannot be told which envelope is the signature."
        "Sign the image again, or carry the signature over again."
    EnvelopeMissing "envelope-missing"
        "The signature manifest is there and the envelope that it names is not."
        "Without the envelope there is nothing to verify."
        "Make the bundle again and check it with `assay bundle check` before it travels."
    EnvelopeAltered "envelope-altered"
        "The envelope's bytes are not what the signature manifest's digest and size say."
        "The bundle or store was damaged or tampered with."
        "Make the bundle again from the registry; if it happens again, find out who can write to it."
    EnvelopeUnreadable "envelope-unreadable"
        "The envelope could not be read, for want of permission or by an error of the system."
        "The signature was not judged, so the image has no verdict."
        "See the message for the file, and run the agent with the right to read it."
    // Integrity
    EnvelopeTooLarge "envelope-too-large"
        "The signature envelope is larger than the verifier reads."
        "A real envelope has some 11 KiB; one of megabytes is made to exhaust its reader."
        "Find out who published this signature; sign the image again."
    EnvelopeMediaType "envelope-media-type"
        "The envelope is neither application/jose+json nor application/cose."
        "No rules say how to read it."
        "Sign the image with a tool that follows the Notary Project's specification."
    EnvelopeMalformed "envelope-malformed"
        "The envelope is not the JSON or CBOR that the specification demands."
        "An envelope that two readers can understand differently proves nothing."
        "Carry the signature over again; if the source has the same bytes, sign again."
    AlgorithmNotAllowed "algorithm-not-allowed"
        "The envelope names no signature algorithm that the specification allows."
        "Only RSASSA-PSS and ECDSA with SHA-2 are strong enough."
        "Sign again with a key and tool that the specification allows."
    AlgorithmOfKey "algorithm-of-key"
        "The envelope's algorithm is not the one that its key demands."
        "Each kind and size of key goes with one algorithm, so that none can be weakened."
        "Sign again with a tool that follows the specification."
    SigningKey "signing-key"
        "The signing certificate's key is of a kind or size that may not sign."
        "RSA keys must have 2048, 3072 or 4096 bits, EC keys be of P-256, P-384 or P-521."
        "Have a certificate issued for a key that is allowed, and sign again."
    SignatureWrong "signature-wrong"
        "The signature was not made with the signing certificate's key over these bytes."
        "The payload or its attributes were changed after signing, or the signature was made with another key."
        "Treat the signature as tampered with; fetch the image and its signature again from the publisher."
    ContentType "content-type"
        "The signed content type is not that of a Notary Project payload."
        "The signature was made for another purpose."
        "Sign the image with a Notary Project signer."
    SigningScheme "signing-scheme"
        "The signing scheme is missing or not known."
        "The scheme says whether the signing time can be believed."
        "Sign again with scheme notary.x509 or notary.x509.signingAuthority."
    SigningTimeMissing "signing-time-missing"
        "The signing time that the scheme demands is missing."
        "Without it the signature does not follow the specification."
        "Sign again with a tool that follows the specification."
    SigningTimeOfOtherScheme "signing-time-of-other-scheme"
        "There is a signing time that belongs to the other signing scheme."
        "A claimed time next to an authentic one invites mistaking one for the other."
        "Sign again with a tool that follows the specification."
    TimeMalformed "time-malformed"
        "A time among the signed attributes is not of the form that the specification demands."
        "A time that readers understand differently cannot be judged."
        "Sign again with a tool that follows the specification."
    ExpiryBeforeSigning "expiry-before-signing"
        "The signature's expiry is not later than its signing time."
        "Such a signature was never valid."
        "Sign again, with the signer's clock right."
    CriticalList "critical-list"
        "The list of critical attributes is missing, empty or malformed."
        "It says which attributes no verifier may overlook."
        "Sign again with a tool that follows the specification."
    NotCritical "not-critical"
        "An attribute that must be marked critical is not."
        "A verifier that does not know it would overlook it, an expiry for instance."
        "Sign again with a tool that follows the specification."
    CriticalAbsent "critical-absent"
        "An attribute is marked critical and absent."
        "Something that the signer held to be essential is gone."
        "Sign again with a tool that follows the specification."
    CriticalUnknown "critical-unknown"
        "An attribute is marked critical that this verifier does not know, or that must not be marked so."
        "The signer says that the signature must not be accepted without understanding it."
        "Sign again without the attribute, or verify with a tool that knows it."
    PluginRequired "plugin-required"
        "The signature demands a verification plugin."
        "Only the plugin can tell whether the signature is good, and assay runs none."
        "Sign with a plain certificate, or verify this image with notation and the plugin."
    ChainMissing "chain-missing"
        "The envelope carries no certificate chain in its unprotected header."
        "Without the signing certificate nobody can be held to the signature."
        "Sign again with a tool that follows the specification."
    CertificateMalformed "certificate-malformed"
        "A certificate in the chain is not the DER of one X.509 certificate."
        "What cannot be read strictly cannot be trusted."
        "Have the certificate issued again by a CA that follows RFC 5280."
    ChainTooLong "chain-too-long"
        "The chain has more certificates than the verifier walks."
        "Each certificate costs a signature check; real chains have three."
        "Sign again with the chain of the signing certificate alone."
    ChainOrder "chain-order"
        "A certificate in the chain was not issued by the one after it."
        "The chain must lead from the signer to its root, in order, without gaps or extras."
        "Sign again with the complete chain: leaf, intermediates, root."
    ChainRoot "chain-root"
        "The chain does not end at its one self-signed root."
        "The specification demands the complete chain."
        "Sign again with the complete chain: leaf, intermediates, root."
    ChainAlgorithm "chain-algorithm"
        "A certificate in the chain is signed with an algorithm that is not accepted, such as SHA-1."
        "Signatures with broken algorithms can be forged."
        "Have the certificate issued again with SHA-256 or better."
    CertificateRequirement "certificate-requirement"
        "A certificate in the chain lacks what the specification demands at its place, or has too much."
        "A certificate that was not issued for signing artifacts must not sign them."
        "Have a certificate issued with the right key usage and constraints, and sign again."
    // Authenticity
    TrustStoreNotConfigured "trust-store-not-configured"
        "The policy statement names no trust store of the kind that the signing scheme needs."
        "Scheme notary.x509 needs a ca store, scheme notary.x509.signingAuthority a signingAuthority store."
        "Name the store in trustStores of the statement, and put the publisher's root certificate there."
    TrustStoreUnusable "trust-store-unusable"
        "A trust store that the statement names does not exist or cannot be used."
        "One bad file makes the whole store untrustworthy, as notation has it."
        "See the message for the file; `assay trust check` lists everything that is wrong."
    ChainNotTrusted "chain-not-trusted"
        "No certificate of the signature's chain is in the trust store."
        "Somebody signed the image, but nobody this site trusts."
        "If the publisher is to be trusted, add its root certificate to the trust store; else do not run the image."
    IdentityNotTrusted "identity-not-trusted"
        "The signer's subject matches none of the statement's trusted identities."
        "The chain is trusted, but this signer of it is not."
        "Compare the subject with trustedIdentities; a wrong letter case or a missing attribute is enough."
    // Expiry
    SignatureExpired "signature-expired"
        "The signature's own expiry has passed."
        "The publisher wanted the signature to be used no longer."
        "Update the image, or have it signed again."
    // Authentic timestamp
    CertificateNotYetValid "certificate-not-yet-valid"
        "A certificate of the chain is not valid yet at the time that counts."
        "The certificate may not have existed when the signature was made, or a clock is wrong."
        "Check the clock of the node and of the jump box."
    CertificateExpired "certificate-expired"
        "A certificate of the chain has expired, and no timestamp proves that the signature is older."
        "Whoever stole the key after its expiry could have made the signature."
        "Name the publisher's timestamping root in a tsa store, if the signature has a timestamp; else have it signed again."
    TimestampMissing "timestamp-missing"
        "The policy asks for a timestamp, and the signature has none."
        "Without it nothing proves when the signature was made."
        "Sign with a timestamp, or set verifyTimestamp to afterCertExpiry."
    TimestampUnsupported "timestamp-unsupported"
        "The signature has a timestamp, and this version cannot verify it."
        "An unverified timestamp proves nothing."
        "Use a version that verifies timestamps."
    // Revocation
    RevocationUnknown "revocation-unknown"
        "It is not known whether a certificate of the chain is revoked."
        "A revoked certificate's signatures must not be trusted."
        "Stage the CRLs that the certificates name in crls/ of the trust directory."
    // What was signed
    PayloadMalformed "payload-malformed"
        "The signed payload is not the JSON that the specification demands."
        "It cannot be told which artifact was signed."
        "Sign again with a tool that follows the specification."
    TargetMismatch "target-mismatch"
        "The signature is good and names another artifact than this image."
        "A signature was moved from another image, or the image was replaced."
        "Compare the digests in the message; fetch the image again from the publisher."
}
