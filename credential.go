package plimsoll

import "time"

// CredentialKind says what a credential is.
type CredentialKind string

// The kinds of credentials that a registry is read with.
const (
	CredentialAccount CredentialKind = "account"            // the password or token
	CredentialServer  CredentialKind = "certificate"        // the registry's own
	CredentialClient  CredentialKind = "client certificate" // the one we show
)

// CredentialState says how a credential stands.
type CredentialState string

// The states of a credential, best first. Not told is not good: nobody said that it lasts.
const (
	CredentialGood    CredentialState = "good"     // it lasts longer than CredentialNotice, or has no end
	CredentialNotTold CredentialState = "not told" // it works; the registry does not say until when
	CredentialEnding  CredentialState = "ends soon"
	CredentialEnded   CredentialState = "ended"
	CredentialRefused CredentialState = "refused" // it does not work now
)

// CredentialNotice is how long before its end a credential is worth a word: two weeks, enough for a change that others must make.
const CredentialNotice = 14 * 24 * time.Hour

// Credential is what is known of one credential at the end of a sweep. It never holds the secret.
type Credential struct {
	Kind    CredentialKind  `json:"kind"`
	State   CredentialState `json:"state"`
	Expires time.Time       `json:"expires,omitzero"` // zero: it has no end, or none that is told
	Detail  string          `json:"detail,omitempty"` // whose it is, or why it is refused; one line
}

// NewCredential is a credential that ends at a known time, as it stands now.
func NewCredential(kind CredentialKind, detail string, expires, now time.Time) Credential {
	c := Credential{Kind: kind, State: CredentialGood, Expires: expires.UTC(), Detail: detail}
	switch left := expires.Sub(now); {
	case left <= 0:
		c.State = CredentialEnded
	case left <= CredentialNotice:
		c.State = CredentialEnding
	}
	return c
}
