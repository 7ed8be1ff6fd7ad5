package registry

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/plimsoll/plimsoll"
)

const (
	// googleUser is the user name that Artifact Registry takes an access token with.
	googleUser  = "oauth2accesstoken"
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
	googleToken = "https://oauth2.googleapis.com/token"
)

// googleFile is a file of application default credentials.
type googleFile struct {
	Type         string `json:"type"`
	ClientEmail  string `json:"client_email"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	TokenURI     string `json:"token_uri"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
}

// fromGoogle finds application default credentials in their usual order: the file that GOOGLE_APPLICATION_CREDENTIALS names, the
// one that gcloud writes, the service account of the machine or workload.
func (c *cloud) fromGoogle(ctx context.Context) (authn.AuthConfig, time.Duration, error) {
	path, given := c.getenv("GOOGLE_APPLICATION_CREDENTIALS"), true
	if path == "" {
		path, given = filepath.Join(c.getenv("HOME"), ".config", "gcloud", "application_default_credentials.json"), false
	}
	b, err := readSmall(path)
	var token accessToken
	switch {
	case err == nil:
		token, err = c.googleFromFile(ctx, path, b)
	case !given && errors.Is(err, os.ErrNotExist):
		token, err = c.googleFromMachine(ctx)
	default:
		err = fmt.Errorf("%w: GOOGLE_APPLICATION_CREDENTIALS: %w", plimsoll.ErrDenied, err)
	}
	if err != nil {
		return authn.AuthConfig{}, 0, err
	}
	return authn.AuthConfig{Username: googleUser, Password: token.AccessToken}, token.life(), nil
}

func (c *cloud) googleFromFile(ctx context.Context, path string, b []byte) (token accessToken, err error) {
	var f googleFile
	if json.Unmarshal(b, &f) != nil {
		return token, fmt.Errorf("%w: %s: no JSON of Google credentials", plimsoll.ErrDenied, path)
	}
	var fields url.Values
	target := googleToken
	switch f.Type {
	case "service_account":
		if f.TokenURI != "" {
			target = f.TokenURI
		}
		assertion, err := f.assertion(target, time.Now())
		if err != nil {
			return token, fmt.Errorf("%w: %s: %w", plimsoll.ErrDenied, path, err)
		}
		fields = url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	case "authorized_user":
		fields = url.Values{"grant_type": {"refresh_token"}, "client_id": {f.ClientID}, "client_secret": {f.ClientSecret}, "refresh_token": {f.RefreshToken}}
	default:
		return token, fmt.Errorf("%w: %s: %w: credentials of type %.80q; use a service account, or a docker_config with a credential helper",
			plimsoll.ErrDenied, path, plimsoll.ErrUnsupported, f.Type)
	}
	req, err := form(target, fields)
	if err != nil {
		return token, err
	}
	return token, ask(ctx, c.remote, "Google access token", req, &token)
}

// assertion is the signed claim by which a service account asks for a token (RFC 7523, RS256).
func (f googleFile) assertion(audience string, now time.Time) (string, error) {
	block, _ := pem.Decode([]byte(f.PrivateKey))
	if block == nil {
		return "", errors.New("private_key is no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", errors.New("private_key is no PKCS #8 key")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return "", errors.New("private_key is no RSA key")
	}
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": f.PrivateKeyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iss": f.ClientEmail, "scope": googleScope, "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("private_key cannot sign")
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// googleFromMachine asks the metadata service, which knows the service account of a machine, and of a workload of GKE.
func (c *cloud) googleFromMachine(ctx context.Context) (token accessToken, err error) {
	base := c.google
	if host := c.getenv("GCE_METADATA_HOST"); host != "" {
		base = "http://" + host
	}
	req, err := http.NewRequest(http.MethodGet, base+"/computeMetadata/v1/instance/service-accounts/default/token", nil)
	if err != nil {
		return token, fmt.Errorf("GCE_METADATA_HOST: %w address", plimsoll.ErrInvalid)
	}
	req.Header.Set("Metadata-Flavor", "Google")
	err = ask(ctx, c.local, "Google metadata service", req, &token)
	if errors.Is(err, plimsoll.ErrUnavailable) || errors.Is(err, plimsoll.ErrDenied) {
		return token, fmt.Errorf("%w: %w", errNoIdentity, err) // not a machine of Google's, or one without a service account
	}
	return token, err
}
