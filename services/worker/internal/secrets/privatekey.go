package secrets

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Private keys in PEM (RFC 7468, RFC 1421 headers, OpenSSH's PROTOCOL.key). veles' detector is not used: it tries to parse
// each window as DER and each key completely, which a hostile key makes expensive, and misses keys that are encrypted,
// indented (YAML) or escaped (JSON, environment files).
const (
	pemBegin = "-----BEGIN "
	pemKey   = "PRIVATE KEY-----"
	pemEnd   = "-----END "
	maxLabel = 24       // bytes between BEGIN and PRIVATE KEY: "ENCRYPTED " is the longest in use
	maxKey   = 24 << 10 // bytes of a block: an RSA key of 32768 bits takes 25 KB, in use are up to 16384
	minKey   = 60       // characters of base64: the shortest key in use, Ed25519 in PKCS #8, has 64
)

func privateKeys() rule {
	return rule{
		name: "privatekey", literals: having(begins, exact(pemKey)...), back: margin, ahead: maxKey + margin,
		generic: true, detect: detectKeys,
	}
}

// begins: the literal pemKey at text[at:] ends a BEGIN line, not an END line.
func begins(text []byte, at int) bool {
	return bytes.Contains(text[max(0, at-maxLabel-len(pemBegin)):at], []byte(pemBegin))
}

func detectKeys(text []byte) (found []match) {
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(pemKey))
		if i < 0 {
			return found
		}
		at += i
		from := bytes.LastIndex(text[max(0, at-maxLabel-len(pemBegin)):at], []byte(pemBegin))
		start := max(0, at-maxLabel-len(pemBegin)) + from
		at += len(pemKey)
		if from < 0 {
			continue
		}
		if body, size, ok := keyBody(text[at:]); ok {
			found = append(found, match{start: start, end: at + size, value: body})
		}
	}
}

// keyBody is the base64 of the key whose block goes on with text, without line ends, escapes, headers and padding, so that
// the same key has the same value however it is wrapped. ok is false where no key stands: an example with dots in the
// middle, bytes that are neither DER nor OpenSSH's.
func keyBody(text []byte) (body string, size int, ok bool) {
	size = bytes.Index(text[:min(len(text), maxKey)], []byte(pemEnd[:5])) // any dashes end it: an END is not sought far
	if size < 0 || !bytes.HasPrefix(text[size:], []byte(pemEnd)) {
		return "", 0, false
	}
	lines, encrypted := keyLines(text[:size])
	body = strings.TrimRight(lines, "=")
	der, err := base64.RawStdEncoding.DecodeString(body)
	if err != nil || len(body) < minKey {
		return "", 0, false
	}
	ok = encrypted || bytes.HasPrefix(der, []byte("openssh-key-v1\x00")) || isSequence(der)
	return body, size, ok
}

// keyLines joins the lines of a block. Lines end in a line feed or in its escape; they may be indented, quoted or be
// comments. Headers are left out; they say whether the bytes are encrypted and thus without a form.
func keyLines(block []byte) (joined string, encrypted bool) {
	var b strings.Builder
	unescaped := strings.NewReplacer(`\n`, "\n", `\r`, "\n", `\t`, "").Replace(string(block))
	for line := range strings.Lines(unescaped) {
		line = strings.Trim(line, " \t\r\n\\\"',#*")
		if name, value, header := strings.Cut(line, ":"); header {
			encrypted = encrypted || name == "Proc-Type" && strings.Contains(value, "ENCRYPTED")
			continue
		}
		b.WriteString(line)
	}
	return b.String(), encrypted
}

// isSequence tells a DER SEQUENCE that fills its bytes (X.690 8.1.3): what PKCS #1, PKCS #8 and SEC 1 keys are.
func isSequence(der []byte) bool {
	if len(der) < 4 || der[0] != 0x30 {
		return false
	}
	switch n := der[1]; {
	case n < 0x80:
		return len(der) == 2+int(n)
	case n == 0x81:
		return len(der) == 3+int(der[2])
	case n == 0x82:
		return len(der) == 4+int(der[2])<<8+int(der[3])
	}
	return false
}
