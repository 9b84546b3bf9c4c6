"""Go templates; what is expected is what text/template makes of the same."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.tare.output.template import Names, Template
from runtime.tare.output.tokens import TemplateError

DATA: dict[str, Any] = {
    "ID": "abc",
    "Names": "web",
    "Labels": Names(a="1"),
    "Label": lambda name: f"<{name}>",
    "Lazy": lambda: "made",
    "List": [{"n": 1}, {"n": 2}],
    "Words": ["a", "b"],
    "None": [],
    "Ratio": 1.5,
    "Yes": True,
    "Nil": None,
    "Networks": {"b": {"IP": "1"}, "a": {"IP": "2"}},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.ID}}-{{ .Names }}", "abc-web"),
        ("{{.Lazy}} {{.Label \"x.y\"}}", "made <x.y>"),
        ("{{.Words}}", "[a b]"),
        ("{{.Networks}}", "map[a:map[IP:2] b:map[IP:1]]"),
        ("{{.Networks.b.IP}}", "1"),
        ("{{.Yes}} {{.Ratio}} {{.Nil}}", "true 1.5 <no value>"),
        ("{{.Labels.a}} {{.Labels.b}}", "1 <no value>"),
        ("{{json .Words}} {{json .Networks.a}} {{json .Nil}}", '["a","b"] {"IP":"2"} null'),
        ('{{json "<a&b>"}}', '"\\u003ca\\u0026b\\u003e"'),
        ('{{json "é\\n"}}', '"é\\n"'),
        ("{{range .Words}}{{.}},{{end}}", "a,b,"),
        ("{{range $i, $x := .List}}{{$i}}={{$x.n}};{{end}}", "0=1;1=2;"),
        ("{{range $name, $net := .Networks}}{{$name}}{{$net.IP}} {{end}}", "a2 b1 "),
        ("{{range $x := .Words}}{{$x}}{{end}}", "ab"),
        ("{{range .None}}x{{else}}nothing{{end}}", "nothing"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range .List}}{{if eq .n 1}}{{continue}}{{end}}{{.n}}{{break}}{{end}}", "2"),
        ("{{range .List}}{{$.ID}}{{end}}", "abcabc"),
        ("{{if .ID}}yes{{end}}{{if .Nil}}no{{end}}", "yes"),
        ("{{if .None}}a{{else if .Nil}}b{{else}}c{{end}}", "c"),
        ("{{if not (and .ID .Nil)}}x{{end}}", "x"),
        ("{{with .Networks.a}}{{.IP}}{{end}}{{with .Nil}}x{{else}}y{{end}}", "2y"),
        ("{{with $x := .Names}}{{$x}}{{end}}", "web"),
        ('{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}', "2"),
        ('{{index .Networks "b" "IP"}} {{(index .List 1).n}} {{index .Words 0}}', "1 2 a"),
        ("{{len .Words}} {{len .ID}}", "2 3"),
        ('{{eq .ID "x" "abc"}} {{ne .ID "x"}} {{lt 1 2}}', "true true true"),
        ("{{le 2 2}} {{gt 1 2}} {{ge 2 2}}", "true false true"),
        ('{{or .Nil "" "x"}} {{and 1 "y"}}', "x y"),
        ("{{or .ID .Missing}}", "abc"),
        ("{{and .Nil .Missing}}", "<no value>"),
        ('{{join .Words "-"}} {{split "a,b" ","}}', "a-b [a b]"),
        ('{{lower "AB"}} {{upper "ab"}} {{title "one two"}}', "ab AB One Two"),
        ('{{pad "x" 1 2}}|{{truncate "abcdef" 3}}', " x  |abc"),
        ('{{print "a" 1 2 "b"}} {{println "a" 1}}', "a1 2b a 1\n"),
        ('{{printf "%s %d %5d|%-5s|%05.1f %x %q %v %t %%" "s" 7 7 "ab" 1.25 255 "q" .Words true}}',
         's 7     7|ab   |001.2 ff "q" [a b] true %'),
        ('{{printf "%d %s" "x"}}', "%!d(string=x) %!s(MISSING)"),
        ('{{"abc" | upper | printf "%s-%s" "x"}}', "x-ABC"),
        ("a {{- .ID -}} b", "aabcb"),
        ("a {{- /* note */ -}} b", "ab"),
        ("{{/* note */}}x", "x"),
        ("{{`raw\\n`}} {{'a'}} {{slice .ID 1 2}}", "raw\\n 97 b"),
        ('{{if or (eq .ID "x") (eq .Names "web")}}ok{{end}}', "ok"),
    ],
)  # fmt: skip
def test_what_is_made(template: str, text: str) -> None:
    assert Template(template).render(DATA) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.ID", "unclosed action"),
        ("{{nope .ID}}", 'function "nope" not defined'),
        ("{{if}}{{end}}", "missing value for if"),
        ("{{range .Words}}", "{{range}} has no {{end}}"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ('{{"abc}}', "unterminated quoted string"),
        ("{{.ID | 3}}", "a constant cannot be called"),
        ("{{(.ID}}", "unclosed left paren"),
        ("{{break}}", "outside {{range}}"),
        ('{{template "x"}}', "not supported"),
        ("{{.ID @}}", "unexpected '@'"),
    ],
)
def test_what_is_no_template(template: str, message: str) -> None:
    with pytest.raises(TemplateError, match="template parsing error") as error:
        Template(template)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.Missing}}", "can't evaluate field Missing; there are ID, Names"),
        ("{{.ID.x}}", "can't evaluate field x in 'abc'"),
        ("{{.Nil.x}}", "nil data"),
        ("{{index .Words 7}}", "out of range"),
        ("{{len 3}}", "len of"),
        ("{{range .ID}}{{end}}", "range can't iterate over abc"),
        ('{{eq 1 "a"}}', "incompatible types for comparison"),
        ("{{.Label}}", "wrong number of args for Label"),
        ("{{.ID 1}}", "ID has arguments but cannot be invoked as function"),
        ("{{$x}}", 'undefined variable "$x"'),
        ("{{and}}", "wrong number of args"),
        ("{{join .ID}}", "error calling join"),
    ],
)
def test_what_cannot_be_used(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        Template(template).render(DATA)
    assert message in str(error.value)
