//! The finer codes of checks, each with what happened, why it matters and what to do: the table behind `assay explain`.

use alloc::format;
use alloc::string::String;

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

impl Code {
    /// What to do if the certificate that the code is about is a timestamping authority's. Trust policy specification: its
    /// revocation is a matter of the authentic timestamp, so that the policy's action for revocation has no effect on it.
    pub fn what_to_do_about_timestamp(self) -> String {
        const ACTION: &str = "set authenticTimestamp to log in the policy's override: what revocation is set to has no effect on timestamps";
        match self {
            Self::CertificateRevoked => format!(
                "Have the image signed again with a timestamp of another authority; to take it without, {ACTION}."
            ),
            Self::RevocationOcspMissing => {
                format!("Stage an OCSP response for the timestamping certificate in crls/, or {ACTION}.")
            }
            _ if self.as_str().starts_with("revocation-") => {
                format!("{} Or {ACTION}.", self.what_to_do())
            }
            _ => self.what_to_do().into(),
        }
    }
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
    ChainConstraint "chain-constraint"
        "A certificate of the chain forbids what stands below it, by name constraints or purposes, or has a critical extension that is not evaluated."
        "A CA that may issue for some names or purposes only must not vouch for others."
        "Have the certificate issued by a CA that may issue it, and sign again; the message names the certificate."
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
        "Compare the subject with trustedIdentities as the message does; a wrong letter case or a missing attribute is enough. A \
         subject with emailAddress, UID or DC, with two OU, or without C, ST or O is matched by * alone."
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
    // Timestamp tokens
    TimestampTooLarge "timestamp-too-large"
        "The timestamp token is larger, or holds more certificates or signers, than the verifier reads."
        "A real token has some 6 KiB; a larger one is made to exhaust its reader."
        "Find out who published this signature; sign the image again with a timestamp."
    TimestampMalformed "timestamp-malformed"
        "The timestamp is not a token as RFC 3161 describes it, or of a version that is not supported."
        "What cannot be read strictly proves no time."
        "Carry the signature over again; if the source has the same bytes, sign again with another timestamping authority."
    TimestampCertificateMalformed "timestamp-certificate-malformed"
        "The timestamp token carries something else than well-formed X.509 certificates, an attribute certificate for instance."
        "The reference implementation refuses such tokens, and one that readers understand differently proves nothing."
        "Sign again with a timestamping authority that sends X.509 certificates only."
    TimestampAlgorithm "timestamp-algorithm"
        "The timestamp, or a certificate of its authority, was made with an algorithm that is not accepted, such as SHA-1."
        "Hashes and signatures with broken algorithms can be forged, and the time with them."
        "Sign again with a timestamping authority that uses SHA-256 or better."
    TimestampImprintMismatch "timestamp-imprint-mismatch"
        "The timestamp was made over other bytes than this signature."
        "It proves that something else existed at that time, not this signature."
        "Treat the signature as tampered with; fetch it again from the publisher, or have it signed and timestamped again."
    TimestampNoAnchor "timestamp-no-anchor"
        "No timestamping root is trusted."
        "A timestamp is worth what the authority is worth that made it."
        "Put the authority's root certificate into the tsa store that the policy names."
    TimestampSignerMissing "timestamp-signer-missing"
        "The timestamp token has no signer, or not its signer's certificate."
        "Nobody can be held to the time that it states."
        "Ask for timestamps with the certificate included, and sign again."
    TimestampAttribute "timestamp-attribute"
        "An attribute that the timestamp's signer must sign is missing or wrong."
        "Without it the signature does not bind the time, the content and the signer's certificate together."
        "Sign again with a timestamping authority that follows RFC 5816."
    TimestampSigningCertificate "timestamp-signing-certificate"
        "The timestamp's signer vouches for another certificate than the one that the token names."
        "A certificate was exchanged for another with the same key."
        "Treat the timestamp as tampered with; fetch the signature again from the publisher."
    TimestampSignatureWrong "timestamp-signature-wrong"
        "The timestamp's signature was not made with its authority's key over this content."
        "The time was changed, or somebody else made the timestamp."
        "Treat the timestamp as tampered with; fetch the signature again from the publisher."
    TimestampUntrusted "timestamp-untrusted"
        "The timestamp's signer leads to none of the trusted timestamping roots."
        "Whoever is not trusted can state any time."
        "If the authority is to be trusted, add its root certificate to the tsa store that the policy names."
    TimestampCertificateNotValid "timestamp-certificate-not-valid"
        "A certificate of the timestamping authority was not valid when the timestamp was made."
        "An authority whose certificate has expired or does not hold yet may not state times."
        "Have the image signed again with a timestamp; tell the authority if it was its mistake."
    TimestampCertificateUnsuitable "timestamp-certificate-unsuitable"
        "A certificate of the timestamping authority is not what it must be at its place."
        "A certificate that was not issued for timestamping, by a CA that may, must not state times."
        "Sign again with a timestamping authority whose certificates follow RFC 3161."
    TimestampOutsideValidity "timestamp-outside-validity"
        "A certificate of the signing chain was not valid at the time of the timestamp, its accuracy counted in."
        "The signature may have been made with a certificate that had expired or was not in force."
        "Have the image signed again with a valid certificate and a timestamp."
    // Revocation
    CertificateRevoked "certificate-revoked"
        "A certificate of the chain has been revoked."
        "Its issuer no longer vouches for it; its key may be in the wrong hands."
        "Do not run the image; ask its publisher for one that is signed with another certificate."
    RevocationMissing "revocation-missing"
        "A CRL that would say whether a certificate is revoked is not staged."
        "Without it a revoked certificate would pass for a good one."
        "Stage the CRL that the message names in crls/ of the trust directory, under any name, or carry it in a bundle."
    RevocationOcspMissing "revocation-ocsp-missing"
        "A certificate can be asked about by OCSP only, and no response is staged for it."
        "Without a network its responder cannot be asked, so nobody knows whether it is revoked. If it is a timestamping authority's, the policy's action for authenticTimestamp counts, and not that for revocation."
        "Stage an OCSP response for it in crls/, or log or skip revocation for this publisher in the policy."
    RevocationOcspUnknown "revocation-ocsp-unknown"
        "The OCSP responder says that it does not know the certificate."
        "The issuer may never have issued it."
        "Ask the publisher; if it was issued lately, stage a newer response."
    RevocationOcspRefused "revocation-ocsp-refused"
        "A staged OCSP response holds no answer: the responder refused to give one, with `unauthorized` or `tryLater` for instance."
        "Nobody knows what the answer would have been, nor about which certificate."
        "Ask the responder again, with a request that it accepts, and stage what it answers; or remove the file."
    RevocationResponderMissing "revocation-responder-missing"
        "A staged OCSP response is signed by a responder whose certificate is not in it."
        "Whether the issuer appointed that responder cannot be checked."
        "Fetch the response again, with its certificates; a responder that leaves them out cannot be used offline."
    RevocationResponderNotValid "revocation-responder-not-valid"
        "The certificate of the responder that signed a staged OCSP response has expired, or is not valid yet."
        "Whoever has the key of an expired certificate may not say what is good."
        "Stage a newer response; it comes with a newer certificate."
    RevocationUrl "revocation-url"
        "A certificate says that its revocation is published elsewhere than at a URL of plain HTTP, or at too many."
        "Only lists at such URLs are part of the standard, and a list of another place may be about other certificates."
        "Have the publisher's CA issue certificates with an HTTP distribution point."
    RevocationStale "revocation-stale"
        "The staged CRL or OCSP response has expired."
        "The certificate may have been revoked since it was issued."
        "Stage the newest one; `assay bundle check` tells beforehand which expire by a date."
    RevocationNotYetValid "revocation-not-yet-valid"
        "The staged CRL or OCSP response was issued after the time of verification."
        "It cannot tell what was known at that time, or a clock is wrong."
        "Check the clock, and the time given with --at."
    RevocationNotForCertificate "revocation-not-for-certificate"
        "The staged CRL or OCSP response is not about this certificate."
        "That a certificate is not on another's list proves nothing."
        "Stage the list of the certificate's own issuer and distribution point."
    RevocationSignature "revocation-signature"
        "The staged CRL or OCSP response is not signed by the certificate's issuer, or by one who may not."
        "Anyone could have written that the certificate is good."
        "Fetch it again from the URL in the certificate; if it comes out the same, ask the CA."
    RevocationMalformed "revocation-malformed"
        "A staged CRL or OCSP response is not well-formed, or lacks the time of the next one."
        "What cannot be read strictly cannot be relied on, and nobody knows whom a malformed file would have revoked."
        "Fetch the file that the message names again, in binary mode, or remove it; `assay trust check` names all of them."
    RevocationUnreadable "revocation-unreadable"
        "A file of revocation evidence that is staged cannot be read."
        "Nobody knows whom it would have revoked, so that no certificate's status is known."
        "Give the agent the right to read the file that the message names, or remove it; `assay trust check` names all of them."
    RevocationCriticalExtension "revocation-critical-extension"
        "The staged CRL or OCSP response, or its entry for the certificate, has a critical extension that is not known."
        "The issuer says that it must not be relied on without understanding it."
        "Ask the CA for a list without the extension."
    // What was signed
    PayloadMalformed "payload-malformed"
        "The signed payload is not the JSON that the specification demands."
        "It cannot be told which artifact was signed."
        "Sign again with a tool that follows the specification."
    TargetMismatch "target-mismatch"
        "The signature is good and names another artifact than this image."
        "A signature was moved from another image, or the image was replaced."
        "Compare the digests in the message; fetch the image again from the publisher."
    // The store
    ContainerSnapshotMissing "container-snapshot-missing"
        "The snapshot that a container's file system is made of is not in the store."
        "It cannot be told what the container runs."
        "Replace the container; if it comes back, look for what removed the snapshot behind containerd's back."
    ContainerSnapshotDiffers "container-snapshot-differs"
        "A container's snapshot is made of other layers than those of the image that it names, and of no other image's."
        "What runs is not what was judged under that name."
        "Replace the container; find out how its snapshot was made."
    ContainerSnapshotUnknown "container-snapshot-unknown"
        "It cannot be told whether a container's snapshot is made of the layers of the image that it names."
        "What the image's documents or the container's specification would say of it cannot be read."
        "See the message; pull the image again, or replace the container."
    ContentFileMissing "content-file-missing"
        "containerd's records list a blob whose file is gone."
        "Somebody removed it behind containerd's back, or the disk lost it."
        "Pull the images again that consist of it; check the disk."
    ContentRecordMissing "content-record-missing"
        "There is a file in the content store that no record lists."
        "No image consists of it, and nothing can run it; an interrupted pull leaves such files, and so does whoever hides data."
        "Nothing, unless it stays: containerd removes it in time."
}
