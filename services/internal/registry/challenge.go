package registry

import (
	"net/http"
	"strings"
)

// challenge is what a WWW-Authenticate header asks for (RFC 9110, section 11.3; the token specification for Bearer).
type challenge struct {
	scheme         string // lower case: "basic", "bearer"
	realm, service string
}

// findChallenge picks the first challenge that we can answer; Bearer before Basic, since its tokens are worth less when lost.
func findChallenge(values []string) (challenge, bool) {
	var basic *challenge
	for _, value := range values {
		for _, c := range parseChallenges(value) {
			switch {
			case c.scheme == "bearer":
				return c, true
			case c.scheme == "basic" && basic == nil:
				basic = &c
			}
		}
	}
	if basic == nil {
		return challenge{}, false
	}
	return *basic, true
}

// parseChallenges reads one header value: challenges separated by commas, each a scheme and name=value parameters that are
// separated by commas too. A word that is followed by no "=" starts a new challenge.
func parseChallenges(s string) (out []challenge) {
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return out
		}
		var word string
		word, s = token(s)
		if word == "" {
			return out // neither scheme nor parameter: the rest cannot be trusted
		}
		value, rest, ok := parameter(s)
		if !ok {
			out = append(out, challenge{scheme: strings.ToLower(word)})
			continue
		}
		s = rest
		if len(out) > 0 {
			out[len(out)-1].set(word, value)
		}
	}
}

func (c *challenge) set(name, value string) {
	switch strings.ToLower(name) {
	case "realm":
		c.realm = value
	case "service":
		c.service = value
	}
}

// token cuts the leading token (RFC 9110, section 5.6.2).
func token(s string) (word, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
	if end < 0 {
		return s, ""
	}
	return s[:end], s[end:]
}

// parameter reads `= value` or `="value"`; ok is false when none stands here.
func parameter(s string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t"), "=")
	if !ok {
		return "", s, false
	}
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			return s, "", true
		}
		return s[:end], s[end:], true
	}
	return quoted(s[1:])
}

func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", true
}

func challengeOf(h http.Header) (challenge, bool) { return findChallenge(h.Values("WWW-Authenticate")) }
