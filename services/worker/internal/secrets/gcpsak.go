package secrets

import (
	"bytes"
	"encoding/base64"
)

// Google Cloud service account keys: JSON with a private key in it, also as base64. veles' detector is not used: it signs
// with each key it finds, which a hostile key makes expensive.
const (
	sakField  = "private_key_id"
	sakBase64 = "ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIs" // {\n  "type": "service_account",
	maxSAK    = 8 << 10                                    // bytes; with a key of 4096 bits it has 4.5 KB
)

func serviceAccountKeys() rule {
	return rule{
		name: "gcpsak", literals: exact(sakField, sakBase64), back: maxSAK, ahead: 2 * maxSAK, detect: detectAccounts,
	}
}

func detectAccounts(text []byte) (found []match) {
	for at := range each(text, sakField) {
		from := max(0, at-maxSAK)
		start := bytes.LastIndexByte(text[from:at], '{')
		end := bytes.IndexByte(text[at:min(len(text), at+maxSAK)], '}')
		if start < 0 || end < 0 {
			continue
		}
		if key, ok := accountKey(text[from+start : at+end]); ok {
			key.start, key.end = key.start+from+start, key.end+from+start
			found = append(found, key)
		}
	}
	return append(found, detectEncoded(text)...)
}

// detectEncoded finds keys in base64, each run of it once.
func detectEncoded(text []byte) (found []match) {
	end := 0
	for at := range each(text, sakBase64) {
		if at < end {
			continue
		}
		run := text[at:min(len(text), at+2*maxSAK)]
		if i := bytes.IndexFunc(run, func(r rune) bool { return r > 0x7f || !isBase64(byte(r)) }); i >= 0 {
			run = run[:i]
		}
		end = at + len(run)
		if plain, err := base64.RawStdEncoding.DecodeString(string(run)); err == nil {
			if key, ok := accountKey(plain); ok {
				found = append(found, match{start: at, end: end, value: key.value})
			}
		}
	}
	return found
}

func isBase64(c byte) bool { return isAlnum(c) || c == '+' || c == '/' }

// accountKey is the private key of a service account's JSON object.
func accountKey(object []byte) (match, bool) {
	if !bytes.Contains(object, []byte("client_email")) {
		return match{}, false
	}
	keys := detectKeys(object)
	if len(keys) == 0 {
		return match{}, false
	}
	return keys[0], true
}

// each yields the places of a literal.
func each(text []byte, literal string) func(func(int) bool) {
	return func(yield func(int) bool) {
		for at := 0; ; at += len(literal) {
			i := bytes.Index(text[at:], []byte(literal))
			if i < 0 || !yield(at+i) {
				return
			}
			at += i
		}
	}
}
