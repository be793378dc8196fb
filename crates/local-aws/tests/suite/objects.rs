//! Objects in buckets.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm::{Crc32, Crc32C, Crc64Nvme, Sha1, Sha256};
use aws_sdk_s3::types::{ChecksumMode, EncodingType};

use crate::support::{Target, code, unique};

rules! {
    an_object_is_returned_byte_for_byte_with_its_metadata: Has,
    a_key_may_have_any_character: Has,
    an_object_may_exceed_six_mebibytes: Has,
    putting_again_replaces: Has,
    putting_with_if_none_match_never_replaces: Has,
    every_checksum_algorithm_is_verified_and_returned: Has,
    a_wrong_checksum_is_rejected: Lacks,
    a_wrong_content_md5_is_rejected: Lacks,
    an_unknown_key_is_not_found: Has,
    an_unknown_bucket_is_not_found: Has,
    a_head_has_everything_but_the_body: Has,
    a_deleted_object_is_gone: Has,
    deleting_a_missing_object_is_no_error: Has,
    objects_are_listed_by_prefix_in_the_order_of_their_keys: Has,
    a_listing_continues_where_it_stopped: Has,
    keys_with_the_delimiter_behind_the_prefix_are_listed_as_common_prefixes: Has,
    a_delimiter_may_be_any_text: Has,
    a_common_prefix_counts_as_one_and_is_listed_once: Has,
    an_unknown_continuation_token_is_rejected: Lacks,
    a_listing_encodes_keys_on_request: Lacks,
    metadata_has_at_most_2_048_bytes: Lacks,
    a_key_has_at_most_1_024_bytes: Lacks,
}

async fn an_object_is_returned_byte_for_byte_with_its_metadata(t: &Target) {
    let bucket = t.bucket().await;
    let put = t.s3.put_object().bucket(&bucket).key("a/b.json").body(ByteStream::from_static(b"{\r\n\0}"));
    put.content_type("application/json").metadata("kind", "test").send().await.unwrap();
    let got = t.s3.get_object().bucket(&bucket).key("a/b.json").send().await.unwrap();
    assert_eq!(got.content_type(), Some("application/json"));
    assert_eq!(got.metadata().unwrap()["kind"], "test");
    assert_eq!(got.body.collect().await.unwrap().into_bytes().as_ref(), b"{\r\n\0}");
}

async fn a_key_may_have_any_character(t: &Target) {
    let bucket = t.bucket().await;
    let key = "a b/é+%25?&=#~'().json";
    put(t, &bucket, key, b"x").await;
    let listed = t.s3.list_objects_v2().bucket(&bucket).send().await.unwrap();
    assert_eq!(listed.contents()[0].key(), Some(key));
    assert_eq!(get(t, &bucket, key).await, b"x");
}

async fn an_object_may_exceed_six_mebibytes(t: &Target) {
    let bucket = t.bucket().await;
    let body = vec![7; 7 * 1_048_576];
    put(t, &bucket, "key", &body).await;
    assert!(get(t, &bucket, "key").await == body);
}

async fn putting_again_replaces(t: &Target) {
    let bucket = t.bucket().await;
    put(t, &bucket, "key", b"first").await;
    put(t, &bucket, "key", b"second").await;
    assert_eq!(get(t, &bucket, "key").await, b"second");
}

async fn putting_with_if_none_match_never_replaces(t: &Target) {
    let bucket = t.bucket().await;
    let put = |body| {
        let request = t.s3.put_object().bucket(&bucket).key("key").if_none_match("*");
        request.body(ByteStream::from_static(body)).send()
    };
    assert_eq!(code(put(b"first").await), "none");
    let rejected = put(b"second").await;
    let status = rejected.as_ref().err().and_then(|error| error.raw_response()).map(|raw| raw.status().as_u16());
    assert_eq!(status, Some(412));
    assert_eq!(code(rejected), "PreconditionFailed");
    assert_eq!(get(t, &bucket, "key").await, b"first");
}

async fn every_checksum_algorithm_is_verified_and_returned(t: &Target) {
    let bucket = t.bucket().await;
    for algorithm in [Crc32, Crc32C, Crc64Nvme, Sha1, Sha256] {
        let key = algorithm.as_str().to_owned();
        let request = t.s3.put_object().bucket(&bucket).key(&key).checksum_algorithm(algorithm);
        request.body(ByteStream::from_static(b"hello")).send().await.unwrap();
        let request = t.s3.get_object().bucket(&bucket).key(&key).checksum_mode(ChecksumMode::Enabled);
        let got = request.send().await.unwrap();
        // The client verifies the checksum when it reads to the end.
        assert_eq!(got.body.collect().await.unwrap().into_bytes().as_ref(), b"hello", "{key}");
    }
}

async fn a_wrong_checksum_is_rejected(t: &Target) {
    let bucket = t.bucket().await;
    let request = t.s3.put_object().bucket(&bucket).key("key").body(ByteStream::from_static(b"hello"));
    let request = request.checksum_algorithm(Crc32).checksum_crc32("AAAAAA==");
    assert_eq!(code(request.send().await), "BadDigest");
    let missing = t.s3.get_object().bucket(&bucket).key("key").send().await;
    assert_eq!(code(missing), "NoSuchKey");
}

async fn a_wrong_content_md5_is_rejected(t: &Target) {
    let bucket = t.bucket().await;
    let put = |md5| {
        let request = t.s3.put_object().bucket(&bucket).key("key").content_md5(md5);
        request.body(ByteStream::from_static(b"hello")).send()
    };
    assert_eq!(code(put("XUFAKrxLKna5cZ2REBfFkg==").await), "none");
    assert_eq!(code(put("AAAAAAAAAAAAAAAAAAAAAA==").await), "BadDigest");
    assert_eq!(code(put("no digest").await), "InvalidDigest");
}

async fn an_unknown_key_is_not_found(t: &Target) {
    let bucket = t.bucket().await;
    let got = t.s3.get_object().bucket(&bucket).key("key").send().await;
    assert_eq!(code(got), "NoSuchKey");
    let head = t.s3.head_object().bucket(&bucket).key("key").send().await;
    assert!(head.is_err_and(|error| error.as_service_error().unwrap().is_not_found()));
}

async fn an_unknown_bucket_is_not_found(t: &Target) {
    let bucket = unique();
    let request = t.s3.put_object().bucket(&bucket).key("key").body(ByteStream::from_static(b"x"));
    assert_eq!(code(request.send().await), "NoSuchBucket");
    assert_eq!(code(t.s3.get_object().bucket(&bucket).key("key").send().await), "NoSuchBucket");
    assert_eq!(code(t.s3.list_objects_v2().bucket(&bucket).send().await), "NoSuchBucket");
    assert!(t.s3.head_bucket().bucket(&bucket).send().await.is_err());
}

async fn a_head_has_everything_but_the_body(t: &Target) {
    let bucket = t.bucket().await;
    t.s3.head_bucket().bucket(&bucket).send().await.unwrap();
    put(t, &bucket, "key", b"hello").await;
    let head = t.s3.head_object().bucket(&bucket).key("key").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert!(head.last_modified().is_some());
}

async fn a_deleted_object_is_gone(t: &Target) {
    let bucket = t.bucket().await;
    put(t, &bucket, "key", b"x").await;
    t.s3.delete_object().bucket(&bucket).key("key").send().await.unwrap();
    assert_eq!(code(t.s3.get_object().bucket(&bucket).key("key").send().await), "NoSuchKey");
}

async fn deleting_a_missing_object_is_no_error(t: &Target) {
    let bucket = t.bucket().await;
    t.s3.delete_object().bucket(&bucket).key("key").send().await.unwrap();
}

async fn objects_are_listed_by_prefix_in_the_order_of_their_keys(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["b/2", "a/1", "b/1", "c"] {
        put(t, &bucket, key, b"hello").await;
    }
    let listed = t.s3.list_objects_v2().bucket(&bucket).prefix("b/").send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["b/1", "b/2"]);
    assert_eq!(listed.key_count(), Some(2));
    assert_eq!(listed.is_truncated(), Some(false));
    assert_eq!(listed.contents()[0].size(), Some(5));
}

async fn a_listing_continues_where_it_stopped(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["a", "b", "c"] {
        put(t, &bucket, key, b"x").await;
    }
    let first = t.s3.list_objects_v2().bucket(&bucket).max_keys(2).send().await.unwrap();
    assert_eq!(first.contents().len(), 2);
    let request = t.s3.list_objects_v2().bucket(&bucket).max_keys(2);
    let rest = request.set_continuation_token(first.next_continuation_token).send().await.unwrap();
    assert_eq!(rest.contents()[0].key(), Some("c"));
    assert_eq!(rest.is_truncated(), Some(false));
}

async fn keys_with_the_delimiter_behind_the_prefix_are_listed_as_common_prefixes(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["in/", "in/a/1", "in/a/2/3", "in/b", "in/c/", "in/c0", "index/1", "other"] {
        put(t, &bucket, key, b"x").await;
    }
    let listed = t.s3.list_objects_v2().bucket(&bucket).prefix("in/").delimiter("/").send().await.unwrap();
    assert_eq!(names(&listed), ["in/", "in/b", "in/c0", "+in/a/", "+in/c/"]);
    assert_eq!((listed.key_count(), listed.is_truncated(), listed.delimiter()), (Some(5), Some(false), Some("/")));
    let listed = t.s3.list_objects_v2().bucket(&bucket).delimiter("/").send().await.unwrap();
    assert_eq!(names(&listed), ["other", "+in/", "+index/"]);
    let listed = t.s3.list_objects_v2().bucket(&bucket).prefix("in").delimiter("/").send().await.unwrap();
    assert_eq!(names(&listed), ["+in/", "+index/"]);
}

async fn a_delimiter_may_be_any_text(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["a", "a--b", "a--c--d", "é--f"] {
        put(t, &bucket, key, b"x").await;
    }
    let listed = t.s3.list_objects_v2().bucket(&bucket).delimiter("--").send().await.unwrap();
    assert_eq!(names(&listed), ["a", "+a--", "+é--"]);
}

async fn a_common_prefix_counts_as_one_and_is_listed_once(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["a", "b/1", "b/2", "b/3", "c", "d/1", "d/2"] {
        put(t, &bucket, key, b"x").await;
    }
    let mut after = None;
    for (expected, is_last) in [(["a", "+b/"], false), (["c", "+d/"], true)] {
        let request = t.s3.list_objects_v2().bucket(&bucket).delimiter("/").max_keys(2);
        let listed = request.set_continuation_token(after).send().await.unwrap();
        assert_eq!(names(&listed), expected);
        assert_eq!((listed.key_count(), listed.is_truncated()), (Some(2), Some(!is_last)));
        after = listed.next_continuation_token;
    }
    assert_eq!(after, None);
}

async fn an_unknown_continuation_token_is_rejected(t: &Target) {
    let bucket = t.bucket().await;
    let listed = t.s3.list_objects_v2().bucket(&bucket).continuation_token("no token").send().await;
    assert_eq!(code(listed), "InvalidArgument");
}

async fn a_listing_encodes_keys_on_request(t: &Target) {
    let bucket = t.bucket().await;
    for key in ["a b+/\u{1}", "é%\u{1}"] {
        put(t, &bucket, key, b"x").await;
    }
    let list = |delimiter: &str| {
        let request = t.s3.list_objects_v2().bucket(&bucket).max_keys(1);
        request.encoding_type(EncodingType::Url).delimiter(delimiter)
    };
    let listed = list("/").send().await.unwrap();
    assert_eq!((names(&listed), listed.encoding_type()), (vec!["+a+b%2B/".to_owned()], Some(&EncodingType::Url)));
    let rest = list("/").set_continuation_token(listed.next_continuation_token).send().await.unwrap();
    assert_eq!(names(&rest), ["%C3%A9%25%01"]);
    assert_eq!(names(&list("\u{1}").send().await.unwrap()), ["+a+b%2B/%01"]);
}

/// The keys of a response, then its common prefixes, each after a plus.
fn names(listed: &ListObjectsV2Output) -> Vec<String> {
    let keys = listed.contents().iter().filter_map(|object| object.key()).map(str::to_owned);
    let prefixes = listed.common_prefixes().iter().filter_map(|common| common.prefix());
    keys.chain(prefixes.map(|prefix| format!("+{prefix}"))).collect()
}

async fn metadata_has_at_most_2_048_bytes(t: &Target) {
    let bucket = t.bucket().await;
    let put = |size| {
        let request = t.s3.put_object().bucket(&bucket).key("key").metadata("name", "x".repeat(size));
        request.body(ByteStream::from_static(b"x")).send()
    };
    assert_eq!(code(put(2_044).await), "none");
    assert_eq!(code(put(2_045).await), "MetadataTooLarge");
}

async fn a_key_has_at_most_1_024_bytes(t: &Target) {
    let bucket = t.bucket().await;
    let put = |size| {
        let request = t.s3.put_object().bucket(&bucket).key("k".repeat(size));
        request.body(ByteStream::from_static(b"x")).send()
    };
    assert_eq!(code(put(1_024).await), "none");
    assert_eq!(code(put(1_025).await), "KeyTooLongError");
}

async fn put(t: &Target, bucket: &str, key: &str, body: &[u8]) {
    let body = ByteStream::from(body.to_vec());
    t.s3.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

async fn get(t: &Target, bucket: &str, key: &str) -> Vec<u8> {
    let got = t.s3.get_object().bucket(bucket).key(key).send().await.unwrap();
    got.body.collect().await.unwrap().into_bytes().to_vec()
}
