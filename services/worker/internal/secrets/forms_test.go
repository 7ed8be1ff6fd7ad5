package secrets

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// TestPrivateKey: what is a key, in the forms that files hold them, and what only looks like one.
func TestPrivateKey(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	block, body := pemKey8(t)
	rest := strings.TrimPrefix(block, "-----BEGIN PRIVATE KEY-----\n")
	escaped, err := json.Marshal(block)
	if err != nil {
		t.Fatal(err)
	}
	bytesOf := []byte(strings.Repeat("\x8f", 200))
	pemText := func(label string, headers map[string]string, der []byte) string {
		text, _ := pemOf(label, headers, der)
		return text
	}
	for name, c := range map[string]struct {
		text string
		line int // 0: no key
	}{
		"at the start":       {block, 1},
		"later":              {"a\nb\n" + block, 3},
		"indented":           {"key: |\n  " + strings.ReplaceAll(block, "\n", "\n  "), 2},
		"escaped":            {"{\n\"key\": " + string(escaped) + "}", 2},
		"quoted twice":       {`x = "` + strings.ReplaceAll(block, "\n", `\\n`) + `"`, 1},
		"carriage returns":   {strings.ReplaceAll(block, "\n", "\r\n"), 1},
		"OpenSSH":            {pemText("OPENSSH PRIVATE KEY", nil, append([]byte("openssh-key-v1\x00"), bytesOf...)), 1},
		"encrypted PKCS #8":  {strings.ReplaceAll(block, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), 1},
		"encrypted, old":     {pemText("RSA PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, bytesOf), 1},
		"certificate":        {strings.ReplaceAll(block, "PRIVATE KEY", "CERTIFICATE"), 0},
		"public key":         {strings.ReplaceAll(block, "PRIVATE KEY", "PUBLIC KEY"), 0},
		"example with dots":  {"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n", 0},
		"cut with dots":      {strings.Replace(block, body[10:20], "...", 1), 0},
		"header alone":       {"-----BEGIN PRIVATE KEY-----\n", 0},
		"no begin":           {rest, 0},
		"random bytes":       {pemText("PRIVATE KEY", nil, bytesOf), 0},
		"too short":          {pemText("PRIVATE KEY", nil, []byte{0x30, 1, 0}), 0},
		"end missing":        {strings.Split(block, "-----END")[0], 0},
		"longer than maxKey": {"-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("A", maxKey) + rest, 0},
	} {
		hits := find(t, f, c.text)
		switch {
		case c.line == 0 && len(hits) != 0:
			t.Errorf("%s: %+v; want no hit", name, hits)
		case c.line != 0 && (len(hits) != 1 || hits[0].Rule != "privatekey" || hits[0].Line != c.line):
			t.Errorf("%s: %+v; want privatekey at line %d", name, hits, c.line)
		}
		if c.line != 0 && strings.Contains(c.text, body[:20]) && hits[0].Fingerprint != f.fingerprint("privatekey", body) {
			t.Errorf("%s: the fingerprint is not that of the key as it is", name)
		}
	}
}

// TestSequence checks the reading of DER lengths against what the standard library writes.
func TestSequence(t *testing.T) {
	t.Parallel()
	for size := range 600 {
		modulus := new(big.Int).Lsh(big.NewInt(1), uint(8*size))
		der := x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: modulus, E: 3})
		if !isSequence(der) || isSequence(der[:len(der)-1]) || isSequence(append(bytes.Clone(der), 0)) {
			t.Errorf("a modulus of %d bytes: isSequence is wrong", size+1)
		}
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	for text, want := range map[string]string{
		"postgres://app:fJ3kd93kDmslq0Dk@db:5432/app":        "fJ3kd93kDmslq0Dk",
		"amqp://:fJ3kd93kDmslq0Dk@[::1]/":                    "fJ3kd93kDmslq0Dk",
		`{"url":"https://a:b%40cd3kd93kDmslq0D@h.io/x"}`:     "b%40cd3kd93kDmslq0D",
		"redis://default:fJ3k:d93kDmslq0Dk@10.0.0.1,redis:2": "fJ3k:d93kDmslq0Dk",
		"ssh://git@host.io/a":                                "",
		"https://host.io:8080/a@b":                           "",
		"https://user:pass@host.io":                          "",
		"https://joe:fJ3kd93kDmslq0Dk@www.example.com/":      "",
		"https://joe:fJ3kd93kDmslq0Dk@host.test.":            "",
		"https://joe:*****@host.io":                          "",
		"https://joe:$PASSWORD@host.io":                      "",
		"https://joe:${PASSWORD}@host.io":                    "",
		"https://joe:{password}@host.io":                     "",
		"https://joe:<password>@host.io":                     "",
		"https://joe:%s@host.io":                             "",
		"https://joe:@host.io":                               "",
		"https://joe:fJ3kd93k DmslqDk@host.io":               "",
		"://joe:fJ3kd93kDmslq0Dk@host.io":                    "",
	} {
		hits := find(t, f, "see "+text+" there")
		switch {
		case want == "" && len(hits) != 0:
			t.Errorf("%s: %+v; want no hit", text, hits)
		case want != "" && (len(hits) != 1 || hits[0].Fingerprint != f.fingerprint("urlcreds", want)):
			t.Errorf("%s: %+v; want the password %q", text, hits, want)
		}
	}
}

// TestPairs: an identifier takes one secret, the nearest that is random; several pairs are all found.
func TestPairs(t *testing.T) {
	t.Parallel()
	f, m := newFinder(t), newMaker(21)
	id := func() string { return "AKIA" + m.of(upper, 16) }
	one, two := m.of(alnum, 39)+"7", m.of(alnum, 39)+"8"
	sum, word := m.of(hexa, 40), m.of(upper+lower, 40)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"two profiles":          {id() + "\n" + one + "\n" + id() + "\n" + two + "\n", []string{one, two}},
		"secrets first":         {one + "\n" + id() + "\n" + two + "\n" + id() + "\n", []string{one, two}},
		"a table":               {id() + " " + id() + "\n" + one + " " + two + "\n", []string{one, two}},
		"a checksum is nearer":  {id() + " " + sum + "\n" + one + "\n", []string{one}},
		"only noise":            {id() + " " + sum + "\n" + word + "\n", nil},
		"the vendor's example":  {id() + "\n" + m.of(alnum, 30) + "EXAMPLEKEY\n", nil},
		"no secret":             {id() + "\n", nil},
		"too far away":          {id() + "\n" + strings.Repeat("a line\n", 2000) + one + "\n", nil},
		"an id within a word":   {"x" + id() + "\n" + one + "\n", nil},
		"a secret, not its id":  {one + "\n", nil},
		"one secret, two names": {id() + "\n" + one + "\n" + id() + "\n", []string{one}},
	} {
		var want, got []string
		for _, v := range c.want {
			want = append(want, f.fingerprint("awsaccesskey", v))
		}
		for _, h := range find(t, f, c.text) {
			got = append(got, h.Fingerprint)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: fingerprints %q; want %q", name, got, want)
		}
	}
}

func TestIsText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head string
		want bool
	}{
		"empty":           {"", false},
		"ASCII":           {"hello\r\n\tworld\x1b[0m\f", true},
		"UTF-8":           {"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe", true},
		"Latin-1":         {"gr\xfc\xdfe", true},
		"UTF-16":          {"\xff\xfeh\x00i\x00", false},
		"ELF":             {"\x7fELF\x02\x01\x01\x00", false},
		"compressed":      {"\x1f\x8b\x08\x01\x02\x03\x04\x05\x06", false},
		"one control":     {strings.Repeat("a", 100) + "\x01", true},
		"NUL beyond head": {strings.Repeat("a", SniffLen) + "\x00", true},
	} {
		if got := IsText([]byte(c.head)); got != c.want {
			t.Errorf("%s: IsText = %v; want %v", name, got, c.want)
		}
	}
}
