package hooks

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// issuers are the names under which Google issues its tokens (OpenID Connect, "Validating an ID token").
var issuers = []string{"https://accounts.google.com", "accounts.google.com"}

const (
	// maxToken bounds a token, in bytes; Google's have about 1 KiB.
	maxToken = 8 << 10
	// clockSkew is how far the clocks of this machine and of Google may be apart.
	clockSkew = time.Minute
)

// tokens checks the signed tokens that Pub/Sub sends with its pushes ("Authenticate push subscriptions").
type tokens struct {
	keys *keys
	now  func() time.Time
}

// claims are what a token says and we look at.
type claims struct {
	Issuer   string       `json:"iss"`
	Audience audience     `json:"aud"`
	Email    string       `json:"email"`
	Verified bool         `json:"email_verified"`
	Expires  json.Number  `json:"exp"`
	Issued   *json.Number `json:"iat"`
}

// audience is one name, or a list of names.
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// check says whether header is "Bearer " and a token that is signed by one of the keys, in force, for our audience and of the
// configured account. ErrDenied is returned when it is not, ErrUnavailable when the keys cannot be had.
func (t *tokens) check(ctx context.Context, hook plimsoll.Hook, header string) error {
	token, found := strings.CutPrefix(header, "Bearer ")
	if !found || len(token) > maxToken {
		return refuse("the token is missing, or longer than %d bytes", maxToken)
	}
	c, err := t.verified(ctx, hook.Keys, token)
	if err != nil {
		return err
	}
	expires, err := c.Expires.Int64()
	now := t.now()
	switch {
	case err != nil || now.After(time.Unix(expires, 0).Add(clockSkew)):
		return refuse("the token has expired, or does not say when it does; compare this machine's clock")
	case c.Issued != nil && early(*c.Issued, now):
		return refuse("the token is from the future; compare this machine's clock")
	case !slices.Contains(issuers, c.Issuer):
		return refuse("the token's issuer is %.80q, want %s", c.Issuer, issuers[0])
	case !slices.Contains(c.Audience, hook.Audience):
		return refuse("the token is for the audience %.80q, want hook.audience %q", []string(c.Audience), hook.Audience)
	case !c.Verified || c.Email != hook.ServiceAccount:
		return refuse("the token is of the account %.80q, want hook.service_account %q", c.Email, hook.ServiceAccount)
	}
	return nil
}

func early(issued json.Number, now time.Time) bool {
	at, err := issued.Int64()
	return err != nil || time.Unix(at, 0).After(now.Add(clockSkew))
}

func refuse(what string, args ...any) error {
	return fmt.Errorf("%w: %w", plimsoll.ErrDenied, fmt.Errorf(what, args...))
}

// verified takes a token apart (RFC 7519) and returns what it claims once its signature holds. Google signs with RS256; any
// other algorithm, and none, is refused, and no key or address in the token is looked at.
func (t *tokens) verified(ctx context.Context, source, token string) (c claims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, refuse("the token does not have three parts")
	}
	var head struct {
		Algorithm string `json:"alg"`
		Key       string `json:"kid"`
	}
	if err := decodePart(parts[0], &head); err != nil {
		return c, refuse("the token's header: %w", err)
	}
	if head.Algorithm != "RS256" {
		return c, refuse("the token is signed by %.20q, want RS256", head.Algorithm)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return c, refuse("the token's signature: %w", err)
	}
	key, err := t.keys.find(ctx, source, head.Key)
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		return c, refuse("the token's signature does not hold")
	}
	if err := decodePart(parts[1], &c); err != nil {
		return c, refuse("the token's claims: %w", err)
	}
	return c, nil
}

var errNoJSON = errors.New("no JSON in base64")

func decodePart(part string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil || json.Unmarshal(b, v) != nil {
		return errNoJSON
	}
	return nil
}
