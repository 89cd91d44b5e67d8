//! The codes of findings, each with what happened, why it matters and what to do: the table behind `assay explain`.

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
        const ACTION: &str = "set authenticTimestamp to log in the policy's override (the setting of revocation has no effect on timestamps)";
        match self {
            Self::CertificateRevoked => format!(
                "Have the image signed again with a timestamp of another authority; to accept it without one, {ACTION}."
            ),
            Self::RevocationOcspMissing => {
                format!("Put an OCSP response for the timestamping certificate into crls/, or {ACTION}.")
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
        "It is not clear which envelope is the signature."
        "Sign the image again, or copy the signature again."
    EnvelopeMissing "envelope-missing"
        "The signature manifest is there, but the envelope that it names is not."
        "Without the envelope there is nothing to verify."
        "Make the bundle again and check it with `assay bundle check` before it travels."
    EnvelopeAltered "envelope-altered"
        "The envelope's bytes are not what the signature manifest's digest and size say."
        "The bundle or store was damaged or tampered with."
        "Make the bundle again from the registry; if it happens again, find out who can write to it."
    EnvelopeUnreadable "envelope-unreadable"
        "The envelope could not be read, because a permission is missing or the system reported an error."
        "The signature was not judged, so the image has no verdict."
        "The message names the file; run the agent with the right to read it."
    // Integrity
    EnvelopeTooLarge "envelope-too-large"
        "The signature envelope is larger than the verifier reads."
        "A real envelope has about 11 KiB; one of megabytes is made to exhaust its reader."
        "Find out who published this signature, and sign the image again."
    EnvelopeMediaType "envelope-media-type"
        "The envelope's media type is neither application/jose+json nor application/cose."
        "The specification does not say how to read it."
        "Sign the image with a tool that follows the Notary Project's specification."
    EnvelopeMalformed "envelope-malformed"
        "The envelope is not the JSON or CBOR that the specification demands."
        "An envelope that two readers can understand differently proves nothing."
        "Copy the signature again; if the source has the same bytes, sign again."
    AlgorithmNotAllowed "algorithm-not-allowed"
        "The envelope does not name a signature algorithm that the specification allows."
        "Only RSASSA-PSS and ECDSA with SHA-2 are strong enough."
        "Sign again with a key and a tool that the specification allows."
    AlgorithmOfKey "algorithm-of-key"
        "The envelope's algorithm is not the one that its key demands."
        "Each kind and size of key goes with one algorithm, so that no one can choose a weaker one."
        "Sign again with a tool that follows the specification."
    SigningKey "signing-key"
        "The signing certificate's key is of a kind or size that may not sign."
        "RSA keys must have 2048, 3072 or 4096 bits; EC keys must be on P-256, P-384 or P-521."
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
        "The signing scheme is missing or unknown."
        "The scheme says whether the signing time can be believed."
        "Sign again with scheme notary.x509 or notary.x509.signingAuthority."
    SigningTimeMissing "signing-time-missing"
        "The signing time that the scheme demands is missing."
        "Without it the signature does not follow the specification."
        "Sign again with a tool that follows the specification."
    SigningTimeOfOtherScheme "signing-time-of-other-scheme"
        "There is a signing time that belongs to the other signing scheme."
        "A claimed time beside an authentic one is easily mistaken for it."
        "Sign again with a tool that follows the specification."
    TimeMalformed "time-malformed"
        "A time among the signed attributes does not have the form that the specification demands."
        "A time that readers understand differently cannot be judged."
        "Sign again with a tool that follows the specification."
    ExpiryBeforeSigning "expiry-before-signing"
        "The signature's expiry is not later than its signing time."
        "Such a signature was never valid."
        "Correct the signer's clock, and sign again."
    CriticalList "critical-list"
        "The list of critical attributes is missing, empty or malformed."
        "It says which attributes a verifier must not overlook."
        "Sign again with a tool that follows the specification."
    NotCritical "not-critical"
        "An attribute that must be marked critical is not."
        "A verifier that does not know the attribute, for instance an expiry, would overlook it."
        "Sign again with a tool that follows the specification."
    CriticalAbsent "critical-absent"
        "An attribute is marked critical, but it is absent."
        "Something that the signer considered essential is gone."
        "Sign again with a tool that follows the specification."
    CriticalUnknown "critical-unknown"
        "An attribute is marked critical that this verifier does not know, or that must not be marked so."
        "The signer says that the signature must not be accepted without understanding it."
        "Sign again without the attribute, or verify with a tool that knows it."
    PluginRequired "plugin-required"
        "The signature demands a verification plugin."
        "Only the plugin can tell whether the signature is good, and assay does not run plugins."
        "Sign without a plugin, or verify this image with notation and the plugin."
    ChainMissing "chain-missing"
        "The envelope carries no certificate chain in its unprotected header."
        "Without the signing certificate it is unknown who signed."
        "Sign again with a tool that follows the specification."
    CertificateMalformed "certificate-malformed"
        "A certificate in the chain is not the DER of one X.509 certificate."
        "A certificate that cannot be read strictly cannot be trusted."
        "Have the certificate issued again by a CA that follows RFC 5280."
    ChainTooLong "chain-too-long"
        "The chain has more certificates than the verifier checks."
        "Each certificate costs a signature check; real chains have three."
        "Sign again with the chain of the signing certificate and nothing else."
    ChainOrder "chain-order"
        "A certificate in the chain was not issued by the one after it."
        "The chain must lead from the signer to its root, in order, without gaps or extras."
        "Sign again with the complete chain: leaf, intermediates, root."
    ChainRoot "chain-root"
        "The chain does not end with its only self-signed certificate, the root."
        "The specification demands the complete chain."
        "Sign again with the complete chain: leaf, intermediates, root."
    ChainAlgorithm "chain-algorithm"
        "A certificate in the chain is signed with an algorithm that is not accepted, such as SHA-1."
        "Signatures with broken algorithms can be forged."
        "Have the certificate issued again with SHA-256 or better."
    ChainConstraint "chain-constraint"
        "A certificate of the chain forbids a certificate below it, by name constraints or purposes, or has a critical extension that assay does not evaluate."
        "A CA that may issue only for some names or purposes must not vouch for others."
        "The message names the certificate. Have it issued by a CA that may issue it, and sign again."
    CertificateRequirement "certificate-requirement"
        "A certificate in the chain does not meet the specification's requirements for its place."
        "A certificate that was not issued for signing artifacts must not sign them."
        "Have a certificate issued with the right key usage and constraints, and sign again."
    // Authenticity
    TrustStoreNotConfigured "trust-store-not-configured"
        "The policy statement does not name a trust store of the type that the signing scheme needs."
        "Scheme notary.x509 needs a ca store; scheme notary.x509.signingAuthority needs a signingAuthority store."
        "Name the store in trustStores of the statement, and put the publisher's root certificate into it."
    TrustStoreUnusable "trust-store-unusable"
        "A trust store that the statement names does not exist or cannot be used."
        "One bad file makes the whole store unusable, as in notation."
        "The message names the file; `assay trust check` lists everything that is wrong."
    ChainNotTrusted "chain-not-trusted"
        "No certificate of the signature's chain is in the trust store."
        "The image is signed, but not by anyone this site trusts."
        "If the publisher should be trusted, add its root certificate to the trust store; otherwise do not run the image."
    IdentityNotTrusted "identity-not-trusted"
        "The signer's subject matches none of the statement's trusted identities."
        "The chain is trusted, but this signer is not."
        "Compare the subject with trustedIdentities, as the message does; a wrong letter case or a missing attribute is enough to fail. \
         Only * matches a subject with emailAddress, UID or DC, with two OU, or without C, ST or O."
    // Expiry
    SignatureExpired "signature-expired"
        "The signature's own expiry has passed."
        "The publisher does not want the signature to be used any longer."
        "Update the image, or have it signed again."
    // Authentic timestamp
    CertificateNotYetValid "certificate-not-yet-valid"
        "A certificate of the chain is not yet valid at the time that counts."
        "The certificate may not have existed when the signature was made, or a clock is wrong."
        "Check the clock of the node and of the jump box."
    CertificateExpired "certificate-expired"
        "A certificate of the chain has expired, and no timestamp proves that the signature is older."
        "Someone who stole the key after its expiry could have made the signature."
        "If the signature has a timestamp, put its authority's root certificate into a tsa store that the policy names; otherwise have the image signed again."
    TimestampMissing "timestamp-missing"
        "The policy asks for a timestamp, but the signature does not have one."
        "Without it nothing proves when the signature was made."
        "Sign with a timestamp, or set verifyTimestamp to afterCertExpiry."
    // Timestamp tokens
    TimestampTooLarge "timestamp-too-large"
        "The timestamp token is larger, or holds more certificates or signers, than the verifier reads."
        "A real token has about 6 KiB; a larger one is made to exhaust its reader."
        "Find out who published this signature, and sign the image again with a timestamp."
    TimestampMalformed "timestamp-malformed"
        "The timestamp is not a token as RFC 3161 describes it, or has an unsupported version."
        "A timestamp that cannot be read strictly proves nothing."
        "Copy the signature again; if the source has the same bytes, sign again with another timestamping authority."
    TimestampCertificateMalformed "timestamp-certificate-malformed"
        "The timestamp token carries something other than well-formed X.509 certificates, for instance an attribute certificate."
        "The reference implementation refuses such tokens, and a token that readers understand differently proves nothing."
        "Sign again with a timestamping authority that sends only X.509 certificates."
    TimestampAlgorithm "timestamp-algorithm"
        "The timestamp, or a certificate of its authority, was made with an algorithm that is not accepted, such as SHA-1."
        "Hashes and signatures with broken algorithms can be forged, and so can the time."
        "Sign again with a timestamping authority that uses SHA-256 or better."
    TimestampImprintMismatch "timestamp-imprint-mismatch"
        "The timestamp was made over bytes other than this signature."
        "It proves that something else existed at that time, not this signature."
        "Treat the signature as tampered with; fetch it again from the publisher, or have it signed and timestamped again."
    TimestampNoAnchor "timestamp-no-anchor"
        "No timestamping root is trusted."
        "A timestamp can be believed only if its authority is trusted."
        "Put the authority's root certificate into the tsa store that the policy names."
    TimestampSignerMissing "timestamp-signer-missing"
        "The timestamp token has no signer, or lacks its signer's certificate."
        "It is unknown who states the time."
        "Ask the timestamping authority to include its certificate, and sign again."
    TimestampAttribute "timestamp-attribute"
        "An attribute that the timestamp's signer must sign is missing or wrong."
        "Without it the signature does not bind the time, the content and the signer's certificate together."
        "Sign again with a timestamping authority that follows RFC 5816."
    TimestampSigningCertificate "timestamp-signing-certificate"
        "The timestamp's signer vouches for a certificate other than the one that the token names."
        "A certificate was replaced by another one with the same key."
        "Treat the timestamp as tampered with; fetch the signature again from the publisher."
    TimestampSignatureWrong "timestamp-signature-wrong"
        "The timestamp's signature was not made with its authority's key over this content."
        "The time was changed, or someone else made the timestamp."
        "Treat the timestamp as tampered with; fetch the signature again from the publisher."
    TimestampUntrusted "timestamp-untrusted"
        "The timestamp's signer does not lead to a trusted timestamping root."
        "An authority that is not trusted can state any time."
        "If the authority should be trusted, add its root certificate to the tsa store that the policy names."
    TimestampCertificateNotValid "timestamp-certificate-not-valid"
        "A certificate of the timestamping authority was not valid when the timestamp was made."
        "An authority whose certificate has expired or is not yet valid must not state times."
        "Have the image signed again with a timestamp; tell the authority if it was its mistake."
    TimestampCertificateUnsuitable "timestamp-certificate-unsuitable"
        "A certificate of the timestamping authority does not meet the requirements for its place."
        "A certificate that was not issued for timestamping, or not by a CA that may issue it, must not state times."
        "Sign again with a timestamping authority whose certificates follow RFC 3161."
    TimestampOutsideValidity "timestamp-outside-validity"
        "A certificate of the signing chain was not valid throughout the time that the timestamp and its accuracy allow."
        "The signature may have been made with a certificate that had expired or was not yet valid."
        "Have the image signed again with a valid certificate and a timestamp."
    // Revocation
    CertificateRevoked "certificate-revoked"
        "A certificate of the chain has been revoked."
        "Its issuer no longer vouches for it; its key may be in the wrong hands."
        "Do not run the image; ask its publisher for an image that is signed with another certificate."
    RevocationMissing "revocation-missing"
        "A CRL that would say whether a certificate is revoked is not staged."
        "Without it a revoked certificate would pass as a good one."
        "Put the CRL that the message names into crls/ of the trust directory, under any name, or carry it in a bundle."
    RevocationOcspMissing "revocation-ocsp-missing"
        "A certificate has only an OCSP responder, and no response is staged for it."
        "Without a network the responder cannot be asked, so it is unknown whether the certificate is revoked. If the certificate is a timestamping authority's, the policy's action for authenticTimestamp counts, not the one for revocation."
        "Put an OCSP response for it into crls/, or log or skip revocation for this publisher in the policy."
    RevocationOcspUnknown "revocation-ocsp-unknown"
        "The OCSP responder says that it does not know the certificate."
        "The issuer may never have issued it."
        "Ask the publisher; if the certificate was issued recently, stage a newer response."
    RevocationOcspRefused "revocation-ocsp-refused"
        "A staged OCSP response holds no answer: the responder refused to give one, for instance with `unauthorized` or `tryLater`."
        "It is unknown what the answer would have been, and about which certificate."
        "Ask the responder again, with a request that it accepts, and stage its answer; or remove the file."
    RevocationResponderMissing "revocation-responder-missing"
        "A staged OCSP response is signed by a responder whose certificate is not in it."
        "Whether the issuer appointed that responder cannot be checked."
        "Fetch the response again, with its certificates. A responder that leaves them out cannot be used offline."
    RevocationResponderNotValid "revocation-responder-not-valid"
        "The certificate of the responder that signed a staged OCSP response has expired, or is not yet valid."
        "The holder of the key of an expired certificate may not say what is good."
        "Stage a newer response; it comes with a newer certificate."
    RevocationUrl "revocation-url"
        "A certificate says that its revocation is published somewhere other than at a plain HTTP URL, or at too many URLs."
        "Only lists at such URLs are part of the standard, and a list from another place may be about other certificates."
        "Have the publisher's CA issue certificates with an HTTP distribution point."
    RevocationStale "revocation-stale"
        "The staged CRL or OCSP response has expired."
        "The certificate may have been revoked since it was issued."
        "Stage the newest one; `assay bundle check` tells in advance which ones expire by a date."
    RevocationNotYetValid "revocation-not-yet-valid"
        "The staged CRL or OCSP response was issued after the time of verification."
        "It does not tell what was known at that time, or a clock is wrong."
        "Check the clock, and the time given with --at."
    RevocationNotForCertificate "revocation-not-for-certificate"
        "The staged CRL or OCSP response is not about this certificate."
        "It proves nothing that a certificate is not on the list of another issuer."
        "Stage the list of the certificate's own issuer and distribution point."
    RevocationSignature "revocation-signature"
        "The staged CRL or OCSP response is not signed by the certificate's issuer, or its signer may not sign it."
        "Anyone could have written that the certificate is good."
        "Fetch it again from the URL in the certificate; if it is the same, ask the CA."
    RevocationMalformed "revocation-malformed"
        "A staged CRL or OCSP response is not well-formed, or lacks the time of the next one."
        "A file that cannot be read strictly cannot be relied on, and it may have revoked any certificate."
        "Fetch the file that the message names again, in binary mode, or remove it; `assay trust check` names all of them."
    RevocationUnreadable "revocation-unreadable"
        "A staged file of revocation evidence cannot be read."
        "It may have revoked any certificate, so no certificate's status is known."
        "Give the agent the right to read the file that the message names, or remove it; `assay trust check` names all of them."
    RevocationCriticalExtension "revocation-critical-extension"
        "The staged CRL or OCSP response, or its entry for the certificate, has an unknown critical extension."
        "The issuer says that it must not be relied on without understanding the extension."
        "Ask the CA for a list without the extension."
    // What was signed
    PayloadMalformed "payload-malformed"
        "The signed payload is not the JSON that the specification demands."
        "It is unknown which artifact was signed."
        "Sign again with a tool that follows the specification."
    TargetMismatch "target-mismatch"
        "The signature is good, but names an artifact other than this image."
        "A signature was moved from another image, or the image was replaced."
        "Compare the digests in the message; fetch the image again from the publisher."
    // The store
    ContainerSnapshotMissing "container-snapshot-missing"
        "The snapshot that a container's file system is made of is not in the store."
        "It is unknown what the container runs."
        "Replace the container; if it happens again, find out what removed the snapshot without containerd."
    ContainerSnapshotDiffers "container-snapshot-differs"
        "A container's snapshot is not made of the layers of the image that it names, nor of those of any other image."
        "What runs is not what was judged under that name."
        "Replace the container; find out how its snapshot was made."
    ContainerSnapshotUnknown "container-snapshot-unknown"
        "It is unknown whether a container's snapshot is made of the layers of the image that it names."
        "The image's documents or the container's specification, which would tell, cannot be read."
        "The message says what cannot be read; pull the image again, or replace the container."
    WritableLayerDiffers "writable-layer-differs"
        "A container added, changed or deleted files of its image."
        "What was written into it runs beside what was signed, and no signature covers it."
        "The report names the files. If the container has to write there, mount a volume; otherwise replace it, and find out what wrote to it."
    WritableLayerUnread "writable-layer-unread"
        "What a container added, changed or deleted is not known, or not all of it."
        "A layer that was not looked at may hold anything."
        "The message says what was in the way: the snapshotter, the agent's rights, or files that changed meanwhile; run again if it was those."
    ContentFileMissing "content-file-missing"
        "containerd's records list a blob whose file is gone."
        "Someone removed it without containerd, or the disk lost it."
        "Pull the images that contain it again, and check the disk."
    ContentRecordMissing "content-record-missing"
        "There is a file in the content store that no record lists."
        "No image contains it, and nothing can run it. An interrupted pull leaves such files, and so does someone who hides data."
        "Wait: containerd removes such files. If it stays, find out who put it there."
}
