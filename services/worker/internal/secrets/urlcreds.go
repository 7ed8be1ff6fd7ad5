package secrets

import (
	"bytes"
	"regexp"
	"strings"
)

// Passwords in URLs (RFC 3986, section 3.2.1). veles' detector is not used: it links an SSH client into whoever imports it,
// and takes a user name alone ("ssh://git@host") for a credential.
const (
	schemeEnd = "://"
	maxUser   = 256 // bytes of a URL's user information
	maxURL    = 1000
)

// urlCreds matches scheme, user (1), password (2) and host (3). The password is of the characters that the RFC allows: what
// has others, as {password} or <secret>, is a template. So is what begins with $, and %s.
var urlCreds = regexp.MustCompile(
	`\b[a-zA-Z][a-zA-Z0-9+.-]*://([A-Za-z0-9._~!$&'()*+,;=%-]*):` +
		`((?:[A-Za-z0-9._~!&'()*+,;=:-]|%[0-9A-Fa-f]{2})(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*)` +
		`@([A-Za-z0-9._-]+|\[)`)

func urlPasswords() rule {
	return rule{
		name: "urlcreds", literals: having(hasPassword, exact(schemeEnd)...), back: margin, ahead: maxURL, generic: true,
		detect: detectURLs,
	}
}

// hasPassword: user information with a colon stands after the literal.
func hasPassword(text []byte, at int) bool {
	rest := text[at+len(schemeEnd) : min(len(text), at+len(schemeEnd)+maxUser)]
	end := bytes.IndexAny(rest, "@/?#\"<> \t\r\n")
	return end > 1 && rest[end] == '@' && bytes.IndexByte(rest[:end], ':') >= 0
}

func detectURLs(text []byte) (found []match) {
	for _, m := range urlCreds.FindAllSubmatchIndex(text, -1) {
		user, password, host := string(text[m[2]:m[3]]), string(text[m[4]:m[5]]), string(text[m[6]:m[7]])
		if !masked(password) && !reserved(host) && !(userWord[user] && passwordWord[password]) {
			found = append(found, match{start: m[4], end: m[5], value: password})
		}
	}
	return found
}

// masked tells what documentation and logs put where a password was: one character, repeated.
func masked(v string) bool { return strings.Trim(v, v[:1]) == "" }

// reserved tells the names that no host has (RFC 2606, RFC 6761): nothing is open to who knows such a password.
func reserved(host string) bool {
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	for _, name := range []string{".example.com", ".example.net", ".example.org", ".example", ".test", ".invalid"} {
		if strings.HasSuffix(host, name) {
			return true
		}
	}
	return false
}

// A user named by a word of the first set with a password of the second is how manuals write a URL's form.
var (
	userWord     = map[string]bool{"user": true, "username": true, "usr": true, "login": true, "name": true}
	passwordWord = map[string]bool{"pass": true, "password": true, "passwd": true, "pwd": true, "secret": true}
)
