//! Times.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = core::str::from_utf8(data)
        && let Ok(time) = assay_shared::time::UnixTime::parse(text)
    {
        assert_eq!(assay_shared::time::UnixTime::parse(&time.to_string()), Ok(time));
    }
});
