package secrets

import (
	"bytes"
	"reflect"

	"github.com/google/osv-scalibr/veles"
)

// rule is one kind of secret: where to look for it and how to tell it.
type rule struct {
	name     string
	literals []literal // each match holds at least one of them
	// back and ahead are how many bytes before and after the start of a literal its detector is shown. A match within them
	// is found as it would be in the whole text.
	back, ahead int
	// generic rules match by form alone. Their match gives way to one of a rule that names the issuer.
	generic bool
	also    []string // the names of the issuers that its detector tells apart
	// cost weighs a byte of its windows, where its expressions take many times what others take (1, written 0).
	cost   int
	detect detect
}

// detect finds the secrets of a text.
type detect func(text []byte) []match

// match is a secret found in a text: text[start:end] is the place of the value, or of what holds it encoded.
type match struct {
	rule       string // where one detector serves several rules; else empty
	start, end int
	value      string
	generic    bool
}

// margin is what a window shows beyond the longest secret: the byte that a trailing \b looks at, quotes, a line's indent.
const margin = 64

// tokens adapts a detector of veles whose expression is one literal-led token. The named field of its secrets is the value.
func tokens(d veles.Detector, field string) detect {
	return func(text []byte) []match {
		secrets, at := d.Detect(text)
		return matches(text, secrets, at, field)
	}
}

// token is the rule of a detector that finds prefixed tokens: they begin with one of the literals.
func token(name string, d veles.Detector, field string, literals ...literal) rule {
	return rule{
		name: name, literals: literals, back: margin, ahead: int(d.MaxSecretLen()) + margin, detect: tokens(d, field),
	}
}

// around makes a rule of a detector whose literal stands anywhere within the match.
func around(name string, d veles.Detector, field string, literals ...literal) rule {
	r := token(name, d, field, literals...)
	r.back = r.ahead
	return r
}

func matches(text []byte, secrets []veles.Secret, at []int, field string) (found []match) {
	for i, s := range secrets {
		if v := value(s, field); v != "" {
			found = append(found, place(text, at[i], v))
		}
	}
	return found
}

// value reads the field of a secret that is the secret itself; "" where the secret has none (an identifier found alone).
func value(s veles.Secret, field string) string {
	v := reflect.Indirect(reflect.ValueOf(s))
	if v.Kind() != reflect.Struct {
		return ""
	}
	f := v.FieldByName(field)
	if f.Kind() != reflect.String {
		return ""
	}
	return f.String()
}

// maxPrefix is how far after the start of a match its value is sought: the length of the keywords and quotes before it.
const maxPrefix = 2 << 10

// place finds the value at or after the start of its match. A value that was decoded does not stand there: then the start
// of the match is the place.
func place(text []byte, at int, value string) match {
	near := text[at:min(len(text), at+maxPrefix+len(value))]
	if i := bytes.Index(near, []byte(value)); i >= 0 {
		return match{start: at + i, end: at + i + len(value), value: value}
	}
	return match{start: at, end: at, value: value}
}

func exact(texts ...string) (all []literal) {
	for _, t := range texts {
		all = append(all, literal{text: t})
	}
	return all
}

func folded(texts ...string) (all []literal) {
	for _, t := range texts {
		all = append(all, literal{text: t, fold: true})
	}
	return all
}

// having adds a check to each literal.
func having(check func([]byte, int) bool, literals ...literal) []literal {
	for i := range literals {
		literals[i].check = check
	}
	return literals
}
