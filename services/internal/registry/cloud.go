package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/plimsoll/plimsoll"
)

// cloud finds the identity that a cloud gives to this machine or workload, for registries of that cloud that have no other
// credentials. Its services are asked as the clouds document them, by a few small requests of our own: their libraries would be
// most of the worker's dependencies.
//
// The services' addresses are the platform's and never a registry's word, so they are outside the guard; link-local ones are usual.
type cloud struct {
	provider provider
	host     string // the registry's
	getenv   func(string) string
	local    *http.Client // metadata services: no proxy, and no answer means that there is none
	remote   *http.Client // the cloud's APIs
	google   string       // metadata service
	azure    string       // metadata service
	login    string       // Azure's token service; empty: by the registry's name
	ecr      string       // endpoint; empty: by the registry's name

	lock  chan struct{}    // held by the one who asks
	held  authn.AuthConfig // under lock
	until time.Time        // under lock
}

type provider int

const (
	noCloud provider = iota
	googleCloud
	amazonCloud
	azureCloud
)

var ecrHost = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com|amazonaws\.com\.cn|on\.aws)$`)

// providerOf tells a cloud's registry by its name, as the clouds' own helpers do.
func providerOf(host string) provider {
	switch {
	case host == "gcr.io", strings.HasSuffix(host, ".gcr.io"), strings.HasSuffix(host, ".pkg.dev"):
		return googleCloud
	case ecrHost.MatchString(host):
		return amazonCloud
	case strings.HasSuffix(host, ".azurecr.io"), strings.HasSuffix(host, ".azurecr.cn"), strings.HasSuffix(host, ".azurecr.us"):
		return azureCloud
	}
	return noCloud
}

const (
	// metadataTime is how long a metadata service may take: it is on the same machine, or it is not there.
	metadataTime = 2 * time.Second
	// cloudTime is how long one request to a cloud's token service may take.
	cloudTime = 15 * time.Second
	// identityLife is how long an identity is used before it is asked for again, so that a changed one is taken up.
	identityLife = 10 * time.Minute
	// maxIdentity bounds one reply; tokens of ECR are about 3 KiB.
	maxIdentity = 64 << 10
)

func newCloud(host string, proxy string) *cloud {
	remote := http.DefaultTransport.(*http.Transport).Clone()
	switch u, err := url.Parse(proxy); {
	case proxy == "none":
		remote.Proxy = nil
	case proxy != "" && err == nil:
		remote.Proxy = http.ProxyURL(u)
	}
	local := remote.Clone()
	local.Proxy = nil
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &cloud{
		provider: providerOf(host), host: host, getenv: os.Getenv, lock: make(chan struct{}, 1),
		local:  &http.Client{Transport: local, Timeout: metadataTime, CheckRedirect: stay},
		remote: &http.Client{Transport: remote, Timeout: cloudTime, CheckRedirect: stay},
		google: "http://metadata.google.internal", azure: "http://169.254.169.254",
	}
}

// errNoIdentity says that this machine has no identity of the cloud: the registry is then read without credentials.
var errNoIdentity = errors.New("no identity of this cloud")

// credentials are those that the cloud gives; none where it gives none. The error wraps ErrDenied where an identity is set up and
// does not work, and ErrUnavailable where its service does not answer.
func (c *cloud) credentials(ctx context.Context, exchange exchanger) (authn.AuthConfig, error) {
	if c.provider == noCloud {
		return authn.AuthConfig{}, nil
	}
	if err := take(ctx, c.lock); err != nil {
		return authn.AuthConfig{}, err
	}
	defer func() { <-c.lock }()
	now := time.Now()
	if now.Before(c.until) {
		return c.held, nil
	}
	var found authn.AuthConfig
	var life time.Duration
	var err error
	switch c.provider {
	case googleCloud:
		found, life, err = c.fromGoogle(ctx)
	case amazonCloud:
		found, life, err = c.fromAmazon(ctx, now)
	case azureCloud:
		found, life, err = c.fromAzure(ctx, exchange)
	}
	if errors.Is(err, errNoIdentity) {
		found, life, err = authn.AuthConfig{}, time.Minute, nil // asked again soon: a machine that starts may get one
	}
	if err != nil {
		return authn.AuthConfig{}, err
	}
	c.held, c.until = found, now.Add(min(max(life-time.Minute, life/2), identityLife))
	return found, nil
}

// ask makes one small request and decodes its JSON. Errors quote neither the request nor the reply: both hold secrets.
func ask(ctx context.Context, client *http.Client, what string, req *http.Request, reply any) error {
	resp, err := client.Do(req.WithContext(ctx))
	if err != nil {
		return wireFault(ctx, what, req.URL, err)
	}
	defer drain(resp.Body)
	switch s := resp.StatusCode; {
	case s == http.StatusOK:
	case retryable(s):
		return fmt.Errorf("%s: %s: %w: HTTP %d", what, where(req.URL), plimsoll.ErrUnavailable, s)
	default:
		return fmt.Errorf("%s: %s: %w: HTTP %d", what, where(req.URL), plimsoll.ErrDenied, s)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxIdentity+1))
	if err != nil {
		return wireFault(ctx, what, req.URL, err)
	}
	if len(b) > maxIdentity || json.Unmarshal(b, reply) != nil {
		return fmt.Errorf("%s: %s: %w reply", what, where(req.URL), plimsoll.ErrInvalid)
	}
	return nil
}

// form makes a POST of fields.
func form(target string, fields url.Values) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%w address %.200q", plimsoll.ErrInvalid, redactText(target))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// accessToken is the reply of an OAuth 2 token service. Azure's metadata service writes the number as text.
type accessToken struct {
	AccessToken string      `json:"access_token"`
	ExpiresIn   json.Number `json:"expires_in"`
}

func (t accessToken) life() time.Duration {
	s, err := t.ExpiresIn.Float64()
	if err != nil || s <= 0 || s > 1e6 {
		return time.Minute
	}
	return time.Duration(s * float64(time.Second))
}
