//! Every bound on hostile input, in one place, each with its reason.
//!
//! Real data is far inside each of them. Input past a bound is refused with a code that says so, never cut short.

/// Bytes of one signature envelope. Real ones are about 11 KiB with a timestamp; notation's bound is 32 MiB.
pub const ENVELOPE_BYTES: usize = 1 << 20;

/// Bytes of one manifest or index: the distribution specification's and notation's own bound.
pub const MANIFEST_BYTES: u64 = 4 << 20;

/// Bytes of a layout's `index.json`. One entry is about 400 bytes, so this is some 40,000 manifests.
pub const LAYOUT_INDEX_BYTES: u64 = 16 << 20;

/// Entries of a layout's `index.json`: as many as [`LAYOUT_INDEX_BYTES`] hold of real ones. Each may be an image of the report.
pub const LAYOUT_ENTRIES: usize = 40_000;

/// Blobs of signatures, attestations and SBOMs of other kinds that are looked into, to see that they are not layers: two for each of
/// 20,000 images. Each takes some 150 bytes of memory.
pub const COMPANION_LAYERS: usize = 40_000;

/// How deep indexes may nest: an image in an index in a layout needs three.
pub const INDEX_DEPTH: usize = 8;

/// Entries that are followed of one index or manifest; the largest public multi-platform index has some 40.
pub const INDEX_ENTRIES: usize = 20_000;

/// Blobs of one image that are walked through, as many as one index may list: its indexes, manifests, configs and layers.
pub const IMAGE_BLOBS: usize = INDEX_ENTRIES;

/// Manifests that are fetched of one image from a registry: the largest public multi-platform index has some 40.
pub const FETCHED_MANIFESTS: usize = 1_000;

/// Indexes that are looked at above one image: the same manifest is listed by an index or two of each release.
pub const PARENT_INDEXES: usize = 1_000;

/// Signatures that are tried for one image, as notation's default `--max-signatures`.
pub const SIGNATURES_PER_IMAGE: usize = 100;

/// Manifests that are read of what a registry lists as referring to an image, in search of its signatures: scanners that
/// attach a result each night make three hundred a year.
pub const REFERRERS_PER_IMAGE: usize = 1_000;

/// Bytes of those manifests together, at 16 KiB each; real ones are of one or two.
pub const REFERRER_BYTES_PER_IMAGE: u64 = 16 << 20;

/// Certificates in a chain. Real ones have three, and each costs a signature check; the reference has no bound.
pub const CHAIN_CERTIFICATES: usize = 64;

/// Bytes of one certificate: real ones are under 2 KiB; Go's own bound on TLS certificates is 64 KiB.
pub const CERTIFICATE_BYTES: usize = 64 << 10;

/// Comparisons of names in a chain with name constraints above them, as in Go up to 1.25; real chains need some dozens.
pub const NAME_COMPARISONS: usize = 250_000;

/// Values of a JSON document. Two bytes may be one, which takes up to a hundred in memory; the largest documents, of
/// [`LAYOUT_INDEX_BYTES`], have some thirty bytes for each.
pub const JSON_VALUES: usize = 500_000;

/// How deep JSON may nest: serde_json's own bound, far above the four levels of any document read here.
pub const JSON_DEPTH: usize = 128;

/// Nested CBOR items: an envelope needs three levels; fxamacker/cbor, which the reference uses, stops at 32.
pub const CBOR_DEPTH: usize = 32;

/// Bytes of a trust policy document, as notation reads it.
pub const TRUST_POLICY_BYTES: u64 = 4 << 20;

/// Statements of a trust policy document, and scopes, stores and identities of one statement: the overlap check compares
/// identities pairwise.
pub const TRUST_POLICY_ENTRIES: usize = 1_000;

/// Bytes of one file in a trust store: some 3,000 certificates.
pub const TRUST_STORE_FILE_BYTES: u64 = 8 << 20;

/// Bytes of one CRL, as in the reference. The largest of public CAs are about 8 MiB.
pub const CRL_BYTES: u64 = 32 << 20;

/// Bytes of one timestamp token. Real ones are 6 KiB.
pub const TIMESTAMP_TOKEN_BYTES: usize = 256 << 10;

/// Nested BER values of a timestamp token: a real one has about twelve levels.
pub const BER_DEPTH: usize = 32;

/// Certificates in a timestamp token; real ones carry two to four.
pub const TIMESTAMP_CERTIFICATES: usize = 32;

/// Signatures that are checked in search of a path from a timestamp's signer to a trusted root.
pub const TIMESTAMP_PATH_STEPS: usize = 256;

/// SignerInfos that are tried in a timestamp token; RFC 3161 allows one.
pub const TIMESTAMP_SIGNERS: usize = 8;

/// Bytes of one OCSP response, as in the reference.
pub const OCSP_RESPONSE_BYTES: usize = 20 << 10;

/// Extensions of a CRL, of an entry in it, or of a timestamp; real ones have at most six.
pub const EXTENSIONS: usize = 64;

/// Files of revocation evidence. One CRL for each CA of each publisher is some dozens; a certificate is looked for in each list
/// of its issuer.
pub const EVIDENCE_FILES: usize = 4_096;

/// Answers about revocation that are kept for the next image, of each kind: signatures of lists, and certificates. Images of a
/// site are signed by some dozens; what is not kept is only found out again.
pub const EVIDENCE_MEMO: usize = 16 * EVIDENCE_FILES;

/// Bytes of one file of revocation evidence: a base CRL and a delta of the longest in base64, as in the reference's cache.
pub const EVIDENCE_FILE_BYTES: u64 = 96 << 20;

/// CRL URLs of one certificate; real ones have one to three, and each costs a look-up.
pub const CRL_URLS: usize = 16;

/// CRL URLs that are fetched for one signature that is not verified: those of two chains, the signer's and the timestamp's,
/// with two certificates below the root each and two URLs a certificate. Real signatures name two to five; a stranger's may
/// name thousands, each a request to a place of the stranger's choice.
pub const UNVERIFIED_CRL_URLS: usize = 8;

/// Delta URLs that are followed of one CRL: real ones have one or two, and a CRL comes from wherever its URL leads.
pub const DELTA_URLS: usize = 4;

/// Certificates in an OCSP response; the reference reads the first only.
pub const OCSP_CERTIFICATES: usize = 8;

/// Members of a layout in a tar: three blobs for each of 60,000 images.
pub const ARCHIVE_MEMBERS: usize = 200_000;

/// Folders of a layout that are looked through behind links: a mount of Kubernetes has one, and links may give one folder any
/// number of paths.
pub const LINKED_FOLDERS: usize = 64;

/// Bytes of headers before one member of a tar: real ones are 512 to 2,560; what describes the next member is read whole.
pub const ARCHIVE_HEADER_BYTES: u64 = 64 << 10;

/// Bytes of manifests, envelopes, CRLs and names of members that are kept in memory of an archive. Of a compressed one, which
/// can be read only once from front to back, that is some 3,000 images' signatures and manifests; of a plain tar only the
/// names and what stands beside the layout is kept.
pub const ARCHIVE_KEPT_BYTES: u64 = 48 << 20;

/// Bytes that a kept member takes beside its content: its digest, twice, its place, and room for more.
pub const ARCHIVE_MEMBER_BYTES: u64 = 224;

/// Bytes of a blob that a compressed layout's reader keeps without looking what it is; manifests and envelopes beyond are
/// known by their first bytes.
pub const ARCHIVE_SMALL_BYTES: u64 = 64 << 10;

/// How many times larger than itself a compressed layout may become, past [`ARCHIVE_FREE_BYTES`]: layers are compressed
/// already, manifests shrink tenfold; decompression bombs grow a thousandfold. Decompressing and hashing so much takes less
/// than a second for each MiB of the file.
pub const ARCHIVE_RATIO: u64 = 64;

/// Bytes that a compressed layout may grow to whatever its own size.
pub const ARCHIVE_FREE_BYTES: u64 = 64 << 20;

/// Bytes of the window of a Zstandard frame, which is kept in memory while the frame is read. RFC 8878 asks for 8 MiB, which
/// `zstd -19` needs; archives of k3s, made with `--long=25`, need these 32, which leaves the agent within 64 MiB.
pub const ZSTD_WINDOW_BYTES: u64 = 32 << 20;

/// Entries of all indexes of one layout together but for `index.json`; manifests that are visited in search of signatures. Each
/// takes some 600 bytes of memory.
pub const GRAPH_MANIFESTS: usize = 80_000;

/// Blobs of the content of all images together, those that they share counted for each, before any layer is hashed: 10,000
/// images of ten.
pub const CONTENT_BLOBS: usize = 120_000;

/// Bytes of manifests and configs that are read of all images together, before any layer is hashed: 25,000 images of 10 KiB.
pub const CONTENT_READ_BYTES: u64 = 256 << 20;

/// Entries of a layout's `index.json` that are not descriptors and are named each.
pub const BAD_ENTRIES: usize = 1_000;

/// Bytes of a blob that is looked into in search of manifests if the store does not say what a blob is. Real manifests
/// are under 16 KiB; larger ones are looked into if the store marks them as referring to other content.
pub const SCANNED_BLOB_BYTES: u64 = 64 << 10;

/// Snapshots below a container's that are followed to the layers it was made of; overlayfs stacks 128 at most.
pub const SNAPSHOT_DEPTH: usize = 256;

/// Bytes of one message from containerd, which itself sends at most 16 MiB by default: some 40,000 image records.
pub const GRPC_MESSAGE_BYTES: usize = 64 << 20;

/// Bytes of the descriptor of an image that containerd is about to pull: real ones are some 200, and annotations may follow.
pub const PULLED_DESCRIPTOR_BYTES: u64 = 64 << 10;

/// Bytes of one DSSE envelope: a payload as large as [`LAYOUT_INDEX_BYTES`], in base64.
pub const DSSE_ENVELOPE_BYTES: usize = 24 << 20;

/// Signatures of one DSSE envelope: a site has one key, or two while it changes them.
pub const DSSE_SIGNATURES: usize = 16;

/// Bytes of one public key of a site: real ones are under 300.
pub const SITE_KEY_BYTES: usize = 16 << 10;

/// Public keys of a site; every signature without a key id is tried with each.
pub const SITE_KEYS: usize = 64;

/// Bytes of a `bundle.json`, as of a layout's `index.json`: 72,000 files of 230 bytes each, which is 18,000 signed images.
pub const BUNDLE_DOCUMENT_BYTES: u64 = LAYOUT_INDEX_BYTES;

/// Times that a database which is written to meanwhile is read anew: a read takes milliseconds, and a daemon that pulls
/// images commits some dozen times a second.
pub const BOLT_ATTEMPTS: usize = 50;

/// Levels of pages in one bucket of a bbolt file: a hundred keys a page make four levels for a hundred million records.
pub const BOLT_DEPTH: usize = 16;

/// Bytes of one page of a bbolt file with what overflows it, which holds one value. containerd's largest are containers'
/// specifications, which come in messages of at most 16 MiB.
pub const BOLT_PAGE_BYTES: usize = 17 << 20;

/// Bytes of a node report or an inventory. An image with one signature takes some 3 KiB, so this is 20,000 of them; the
/// largest nodes hold some hundreds.
pub const REPORT_BYTES: usize = 64 << 20;

/// Values in a node report or an inventory, as of any JSON document that is read: a real image has some 80 of them in 3 KiB.
pub const REPORT_VALUES: usize = JSON_VALUES;

/// Letters of one text in a report: a subject, a message, a reference.
pub const REPORT_TEXT_LETTERS: usize = 8 << 10;

/// Entries of one list in a report: names of an image, containers that run it, blobs that differ. No one reads more of one
/// thing, and how many there are is said.
pub const REPORT_ENTRIES: usize = 1_000;

/// Signatures of one image that a report has rows for: all that are tried under one statement, and as many more.
pub const REPORT_SIGNATURES: usize = 2 * SIGNATURES_PER_IMAGE;

/// Bytes of the archive that is delivered to a job of Kubernetes, compressed: a trust directory and the bundles of some thousand
/// images. It comes in objects of at most 1 MiB, and all of them are kept by the cluster's one database.
pub const DELIVERED_BYTES: u64 = 8 << 20;

/// Bytes of the blobs that a report carries, which base64 makes a third longer: some 3,000 signatures with their manifests.
pub const CARRIED_BYTES: usize = 32 << 20;

/// Bytes of memory for the trees that unpacked snapshots are compared with and for the windows of Zstandard, of all that are
/// compared at once: some 120,000 files of layers in gzip. A snapshot that does not fit beside others is compared again by itself.
pub const ROOTFS_MEMORY_BYTES: usize = 44 << 20;

/// Bytes of a layer's Zstandard window while others are read beside it. Builders and `zstd -19` need these 8 MiB; a layer that needs
/// more, up to [`ZSTD_WINDOW_BYTES`], is read by itself.
pub const ROOTFS_WINDOW_BYTES: u64 = 8 << 20;

/// Directories in each other in a layer, and in what a container wrote. Each is an open file while a snapshot is walked, and a process has 1,024 of those; real
/// ones are under 40.
pub const ROOTFS_DEPTH: usize = 200;

/// Bytes of one path in a layer: Linux takes no more.
pub const ROOTFS_PATH_BYTES: usize = 4_096;

/// Bytes of the names of one directory in a snapshot, with what each takes in memory: some 150,000 names.
pub const ROOTFS_DIRECTORY_BYTES: usize = 8 << 20;

/// Differences of one snapshot that are named. Nobody reads more, and how many there are is said.
pub const ROOTFS_FINDINGS: usize = 1_000;

/// Files of one writable layer that are named, and mounts of one container. Nobody reads more, and how many there are is said.
pub const DRIFT_FINDINGS: usize = 200;

/// Files of one writable layer that are looked at. A container that writes more keeps its data in the wrong place. With the native
/// snapshotter, the image's own files count as well: real images have up to some 200,000.
pub const DRIFT_ENTRIES: u64 = 1_000_000;

/// Bytes of a file of a writable layer that are hashed if the file drifted, whatever its content: programs and libraries are smaller.
pub const DRIFT_FILE_BYTES: u64 = 256 << 20;

/// Bytes that are hashed of one container, its own files and those below: a minute's work.
pub const DRIFT_BYTES: u64 = 32 << 30;

/// Containers whose writable layers are looked at at once. Each may have a hundred folders open on each other twice, and a process has
/// 1,024 open files.
pub const DRIFT_JOBS: usize = 2;

/// Files under a mount that are looked through for programs.
pub const DRIFT_COVERED: usize = 20_000;

/// Bytes of the kernel's list of the mounts that a process sees: a node of 500 containers has some 3 MB, most of it the names of layers.
pub const MOUNTS_BYTES: u64 = 32 << 20;

/// Mounts of one container that are looked at: Kubernetes makes some 20.
pub const DRIFT_MOUNTS: usize = 1_000;

/// Bytes of the extended attributes of one file: Linux gives the list of their names no more than this.
pub const XATTR_BYTES: usize = 64 << 10;

/// How many times larger than itself a layer may become, past [`LAYER_FREE_BYTES`]: programs and texts shrink to a fourth, and
/// zeros to a thousandth. Hashing so much takes less than a second for each MiB of the layer.
pub const LAYER_RATIO: u64 = 256;

/// Bytes that a layer may grow to whatever its own size.
pub const LAYER_FREE_BYTES: u64 = 256 << 20;

/// Bytes of the list of one layer's files, compressed: some million files.
pub const LAYER_LIST_BYTES: u64 = 64 << 20;

/// Bytes of all such lists of one bundle: of some 1,000 images of average size.
pub const LAYER_LISTS_BYTES: u64 = 1 << 30;

/// Bytes of the map of a sparse file in a layer: some 20,000 parts with holes between them.
pub const SPARSE_MAP_BYTES: usize = 256 << 10;

/// Snapshots that are compared at once: each may take [`ROOTFS_WINDOW_BYTES`] beside its tree.
pub const ROOTFS_JOBS: usize = 4;
