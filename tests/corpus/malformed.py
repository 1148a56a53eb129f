"""Records that must become dead letters, each with its code. Add what was met in the wild.

An entry is (value, headers, code); `EVENTS` are read as events, `LABELS` as labels.
"""

from __future__ import annotations

from stream_cl.core import limits

Entry = tuple[bytes | None, tuple[tuple[str, bytes], ...], str]

_STRUCTURED = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
_BINARY = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"7"),
    ("ce_source", b"/plant"),
    ("ce_type", b"reading"),
    ("ce_time", b"2024-05-01T00:00:00Z"),
    ("content-type", b"application/json"),
)
_GOOD = b'{"id":"a","time":1,"features":{"x":1}}'


def _event(features: bytes = b'{"x":1}', id_: bytes = b'"a"', time: bytes = b"1") -> bytes:
    return b'{"id":%b,"time":%b,"features":%b}' % (id_, time, features)


def _vector(vector: bytes) -> bytes:
    return b'{"id":"a","time":1,"vector":%b}' % vector


def _plain(code: str, *values: bytes | None) -> list[Entry]:
    return [(value, (), code) for value in values]


def _without(name: str) -> tuple[tuple[str, bytes], ...]:
    return tuple(header for header in _BINARY if header[0] != name)


_DEEP = limits.JSON_DEPTH

EVENTS: list[Entry] = [
    *_plain(
        "not_json",
        None,
        b"",
        b" ",
        b"{",
        b'{"id":"a","time":1,"features":{"x":1}',
        b'{"id":"a","time":1,"features":{"x":1}}}',
        _GOOD + b"\n" + _GOOD,
        b"\xef\xbb\xbf" + _GOOD,
        _GOOD.decode().encode("utf-16"),
        b"\x00\x01\x02\xff",
        b"id,time,x\n1,2,3",
        _event(b'{"x":NaN}'),
        _event(b'{"x":Infinity}'),
        _event(b'{"x":-Infinity}'),
        _event(b'{"x":01}'),
        _event(b'{"x":+1}'),
        _event(b'{"x":1,}'),
        _event(b"{'x':1}"),
        _event(b'{"x":0x10}'),
        _event(id_=b'"\xff\xfe"'),
        _event(id_=b'"\\ud800"'),
        _event(id_=b'"\xed\xa0\x80"'),
        _event(id_=b'"a\x01"'),
    ),
    *_plain("not_an_object", b"null", b"1", b'"text"', b"[]", b"[" + _GOOD + b"]", b"true"),
    *_plain(
        "too_deep",
        b"[" * 100_000,
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"id":"a","time":1,"features":{"x":1},"other":' + b"[" * _DEEP + b"]" * _DEEP + b"}",
        _event(b'{"x":' + b"[" * _DEEP + b"]" * _DEEP + b"}"),
    ),
    *_plain(
        "too_large",
        b" " * limits.RECORD_BYTES + _GOOD,
        _event(b'{"%b":1}' % (b"n" * (limits.FEATURE_NAME_BYTES + 1))),
        _event(b'{"%s":1}' % ("ü" * limits.FEATURE_NAME_BYTES).encode()),
        _event(b'{"x":"%b"}' % (b"t" * (limits.FEATURE_TEXT_BYTES + 1))),
        _event(b"{%b}" % b",".join(b'"f%d":0' % i for i in range(limits.FEATURES_PER_EVENT + 1))),
        _vector(b"[%b]" % b",".join([b"0"] * (limits.FEATURES_PER_EVENT + 1))),
    ),
    *_plain(
        "bad_version",
        b'{"v":2,"id":"a","time":1,"features":{"x":1}}',
        b'{"v":"1","id":"a","time":1,"features":{"x":1}}',
        b'{"v":true,"id":"a","time":1,"features":{"x":1}}',
        b'{"v":1.0,"id":"a","time":1,"features":{"x":1}}',
    ),
    *_plain(
        "bad_id",
        b'{"time":1,"features":{"x":1}}',
        _event(id_=b"7"),
        _event(id_=b"null"),
        _event(id_=b'""'),
        _event(id_=b'["a"]'),
        _event(id_=b'"%b"' % (b"i" * (limits.ID_BYTES + 1))),
        _event(id_=b'"%s"' % ("é" * limits.ID_BYTES).encode()),
        _event(id_=b'"a\\nb"'),
        _event(id_=b'"\\u001b[31m"'),
        _event(id_=b'"\\u0000"'),
        b"{}",
    ),
    *_plain(
        "bad_time",
        b'{"id":"a","features":{"x":1}}',
        *(
            _event(time=time)
            for time in (
                b"null",
                b"true",
                b"1.5",
                b"[1]",
                b"%d" % (limits.TIME_MAX_MS + 1),
                b"%d" % (limits.TIME_MIN_MS - 1),
                b"99999999999999999999999",
                b'""',
                b'"1714521600000"',
                b'"2024-05-01"',
                b'"2024-05-01T12:00:00"',
                b'"2024-05-01 12:00:00.5"',
                b'"2024-05-01T12:00Z"',
                b'"20240501T120000Z"',
                b'"2024-W18-3T12:00:00Z"',
                b'"2024-02-30T12:00:00Z"',
                b'"2023-02-29T12:00:00Z"',
                b'"2024-05-01T24:00:00Z"',
                b'"2024-05-01T12:60:00Z"',
                b'"2024-05-01T12:00:60Z"',
                b'"2024-05-01T12:00:00+24:00"',
                b'"2024-05-01T12:00:00+05:60"',
                b'"2024-05-01T12:00:00+0500"',
                b'"2024-05-01T12:00:00 Z"',
                b'"2024-05-01T12:00:00.Z"',
                b'"0000-01-01T00:00:00Z"',
                b'"0001-01-01T00:00:00+00:01"',
                b'"9999-12-31T23:59:60Z"',
                b'"2024-05-01T12:00:00Z\\n"',
                '"٢٠٢٤-05-01T12:00:00Z"'.encode(),
                b'"yesterday"',
                b'"2024-05-01T12:00:00.%bZ"' % (b"1" * 1000),
            )
        ),
    ),
    *_plain(
        "bad_features",
        b'{"id":"a","time":1}',
        b'{"id":"a","time":1,"features":null}',
        b'{"id":"a","time":1,"features":{"x":1},"vector":[1]}',
        _event(b"[1,2]"),
        _event(b'"x"'),
        _event(b"0"),
        _event(b'{"":1}'),
        _event(b'{"":"text"}'),
    ),
    *_plain(
        "bad_value",
        _event(b'{"x":1e151}'),
        _event(b'{"x":-1e300}'),
        _event(b'{"x":1e300,"y":"text"}'),
        _event(b'{"x":[1]}'),
        _event(b'{"x":{}}'),
        _event(b'{"x":1,"y":{"z":1}}'),
        _vector(b"[0,-1e200]"),
    ),
    *_plain(
        "bad_vector",
        _vector(b"[]"),
        _vector(b"{}"),
        _vector(b'"1,2"'),
        _vector(b"1"),
        _vector(b'[1,"2"]'),
        _vector(b"[1,null]"),
        _vector(b"[1,true]"),
        _vector(b"[[1]]"),
    ),
    *_plain(
        "bad_label",
        b'{"id":"a","time":1,"features":{"x":1},"label":""}',
        b'{"id":"a","time":1,"features":{"x":1},"label":["A"]}',
        b'{"id":"a","time":1,"features":{"x":1},"label":{}}',
        b'{"id":"a","time":1,"features":{"x":1},"label":"%b"}' % (b"l" * (limits.LABEL_BYTES + 1)),
    ),
    *_plain(
        "bad_cloudevent",
        b'{"specversion":"1.0","id":"1","source":"/s","data":{"x":1}}',
        b'{"specversion":"0.3","id":"1","source":"/s","type":"t","data":{"x":1}}',
        b'{"specversion":1.0,"id":"1","source":"/s","type":"t","data":{"x":1}}',
        b'{"specversion":"1.0","id":"","source":"/s","type":"t","data":{"x":1}}',
        b'{"specversion":"1.0","id":1,"source":"/s","type":"t","data":{"x":1}}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":[1]}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"x"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"%%"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":{}}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{},"data_base64":"e30="}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/xml",'
        b'"data":{"x":1}}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":1,'
        b'"data":{"x":1}}',
    ),
    *_plain("bad_time", b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"x":1}}'),
    *_plain(
        "not_json",
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2024-05-01T00:00:00Z",'
        b'"data_base64":"eyI="}',
    ),
    (_GOOD, _STRUCTURED, "bad_cloudevent"),
    (b"{}", _STRUCTURED, "bad_cloudevent"),
    (b"", _STRUCTURED, "not_json"),
    (b"[]", (("content-type", b"application/cloudevents-batch+json"),), "bad_cloudevent"),
    (b"x", (("Content-Type", b"application/cloudevents+avro"),), "bad_cloudevent"),
    (b'{"x":1}', _without("ce_id"), "bad_cloudevent"),
    (b'{"x":1}', _without("ce_source"), "bad_cloudevent"),
    (b'{"x":1}', _without("ce_type"), "bad_cloudevent"),
    (b'{"x":1}', _without("ce_time"), "bad_time"),
    (b'{"x":[1]}', _BINARY, "bad_value"),
    (b"1", _BINARY, "bad_cloudevent"),
    (None, _BINARY, "bad_cloudevent"),
    (b"<x/>", (*_without("content-type"), ("content-type", b"text/xml")), "bad_cloudevent"),
    (b"<x/>", _BINARY, "not_json"),
    (b'{"x":1}', (*_without("ce_id"), ("ce_id", b"\xff")), "bad_cloudevent"),
    (b'{"x":1}', (*_without("ce_id"), ("ce_id", b"i" * 300)), "bad_id"),
]

LABELS: list[Entry] = [
    *_plain("not_json", None, b"", b"UP", b'{"id":"a","label":NaN}'),
    *_plain("not_an_object", b'"UP"', b'["a","UP"]', b"1"),
    *_plain("too_deep", b'{"id":"a","label":"A","x":' + b"[" * _DEEP + b"]" * _DEEP + b"}"),
    *_plain("too_large", b'{"id":"a","label":"A"}' + b" " * limits.RECORD_BYTES),
    *_plain("bad_version", b'{"v":0,"id":"a","label":"A"}'),
    *_plain("bad_id", b'{"label":"A"}', b'{"id":1,"label":"A"}', b'{"id":"","label":"A"}'),
    *_plain(
        "bad_label",
        b'{"id":"a"}',
        b'{"id":"a","label":null}',
        b'{"id":"a","label":""}',
        b'{"id":"a","label":[]}',
        b'{"id":"a","label":{"name":"A"}}',
        b'{"id":"a","label":"A\\u0007"}',
        b'{"id":"a","label":"%b"}' % (b"l" * (limits.LABEL_BYTES + 1)),
        b'{"id":"a","abstain":false}',
        b'{"id":"a","abstain":1}',
        b'{"id":"a","abstain":"yes","label":"A"}',
    ),
    *_plain(
        "bad_annotator",
        b'{"id":"a","label":"A","annotator":1}',
        b'{"id":"a","label":"A","annotator":["b"]}',
        b'{"id":"a","label":"A","annotator":"%b"}' % (b"n" * (limits.ANNOTATOR_BYTES + 1)),
    ),
    *_plain(
        "bad_revision",
        b'{"id":"a","label":"A","revision":-1}',
        b'{"id":"a","label":"A","revision":1.0}',
        b'{"id":"a","label":"A","revision":"1"}',
        b'{"id":"a","label":"A","revision":true}',
        b'{"id":"a","label":"A","revision":18446744073709551615}',
    ),
    *_plain(
        "bad_request",
        b'{"id":"a","label":"A","request":1}',
        b'{"id":"a","label":"A","request":""}',
    ),
    *_plain(
        "bad_cost",
        b'{"id":"a","label":"A","cost":-0.5}',
        b'{"id":"a","label":"A","cost":"1"}',
        b'{"id":"a","label":"A","cost":true}',
        b'{"id":"a","label":"A","cost":1e300}',
    ),
    *_plain("bad_time", b'{"id":"a","label":"A","time":"2024-05-01T00:00:00"}'),
    *_plain("bad_cloudevent", b'{"specversion":"1.0","id":"1","type":"t","data":{"label":"A"}}'),
    (b'{"label":"A"}', _BINARY, "bad_id"),
]
