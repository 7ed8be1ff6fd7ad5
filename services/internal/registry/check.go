package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Step is one step of a check, in order.
type Step struct {
	Name    string // resolve, tls, auth, list, manifest, blob
	OK      bool
	Detail  string // facts, or what went wrong; one line
	Fix     string // what to do; also beside OK, where something works but could be better
	Skipped bool   // not tried, because an earlier step that this one needs has failed or found nothing
}

// A Finder finds what a registry holds, for a check: one page of each listing is enough.
type Finder interface {
	// FirstRepositories are some repositories, and a few words on the listing: how many, and what of it could not be listed.
	FirstRepositories(ctx context.Context) (names []string, about string, err error)
	// FirstTags are some tags of a repository and, where the listing tells it, the digest of the first.
	FirstTags(ctx context.Context, repository string) (names []string, digest plimsoll.Digest, more bool, err error)
	// Account says how long the credentials last; the zero value: nothing is known.
	Account(ctx context.Context) plimsoll.Credential
}

// Check tries what reading this registry needs, step by step: resolve, tls, auth, list, manifest and a ranged read of a blob. It
// reads everything afresh (files, addresses, connections), tries each thing once and changes nothing in the client. The steps
// come as they end. find makes what lists the registry, over the client that the check uses; none: the specification's catalog and tags.
func (c *Client) Check(ctx context.Context, find func(*Client) (Finder, error)) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		k, err := c.newChecker()
		if err == nil {
			k.find = specified{k.c}
			if find != nil {
				var f Finder
				if f, err = find(k.c); f != nil {
					k.find = f
				}
			}
		}
		if err != nil {
			yield(Step{Name: "configuration", Detail: err.Error(), Fix: "correct this registry's configuration"})
			return
		}
		defer k.c.Close()
		for _, s := range []struct {
			name string
			run  func(context.Context) Step
		}{{"resolve", k.resolve}, {"tls", k.tls}, {"auth", k.auth}, {"list", k.list}, {"manifest", k.manifest}, {"blob", k.blob}} {
			step := Step{Skipped: true, Detail: k.stopped}
			if k.stopped == "" {
				step = s.run(ctx)
			}
			step.Name = s.name
			if !step.OK && !step.Skipped {
				k.stopped = "needs " + s.name
			}
			if !yield(step) {
				return
			}
		}
	}
}

// checker carries what one step finds to the next.
type checker struct {
	c       *Client
	find    Finder
	stopped string // why the steps left are skipped

	ping       *http.Response // of GET /v2/ without credentials, body closed
	html       bool
	repository string
	tag        string
	digest     plimsoll.Digest // of the tag, where the listing tells
	blobs      []plimsoll.Digest
}

// newChecker makes a client of its own whose every request has one try.
func (c *Client) newChecker() (*checker, error) {
	lim := c.lim
	lim.tries, lim.throttleTries, lim.resumes = 1, 1, 0
	own, err := newClient(c.conf, Options{UserAgent: c.opts.UserAgent}, lim)
	if err != nil {
		return nil, err
	}
	own.guard.lookup = c.guard.lookup
	return &checker{c: own}, nil
}

// failed makes the step of an error: what is known about it, and what to do, apart.
func failed(err error) Step {
	var f *fault
	if errors.As(err, &f) {
		return Step{Detail: oneLine(f.detail()), Fix: f.fix}
	}
	return Step{Detail: oneLine(err.Error()), Fix: advice(err)}
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }

func (k *checker) resolve(ctx context.Context) Step {
	host, through, err := k.firstHop()
	if err != nil {
		return failed(err)
	}
	ctx, cancel := context.WithTimeout(ctx, k.c.lim.dial)
	defer cancel()
	addresses, err := k.c.guard.resolve(ctx, host)
	if err != nil {
		return Step{Detail: oneLine(err.Error()), Fix: advice(err)}
	}
	var texts []string
	for _, a := range addresses {
		texts = append(texts, fmt.Sprintf("%s (%s)", a, classify(a)))
	}
	return Step{OK: true, Detail: host + " is " + strings.Join(texts, ", ") + through}
}

// firstHop is the host that is connected to: the registry's, or the proxy's.
func (k *checker) firstHop() (host, through string, err error) {
	host = k.c.base.Hostname()
	if k.c.proxy == nil {
		return host, "", nil
	}
	u, err := k.c.proxy(&http.Request{Method: http.MethodGet, URL: k.c.url(call{path: "/v2/"})})
	if err != nil || u == nil {
		return host, "", err
	}
	return u.Hostname(), fmt.Sprintf(", the proxy to %s", host), nil
}

// expirySoon is how many days before its end a certificate is worth a word.
const expirySoon = 21

func (k *checker) tls(ctx context.Context) Step {
	resp, err := k.c.ask(ctx, call{what: "ping", method: http.MethodGet, path: "/v2/"}, "")
	if err != nil {
		return describeFailure(failed(err), err)
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, k.c.lim.fault))
	drain(resp.Body)
	if err != nil {
		return failed(wireFault(ctx, "ping", resp.Request.URL, err))
	}
	k.ping, k.html = resp, isHTML(resp.Header, head)
	if strings.Contains(string(head), "HTTPS") && resp.StatusCode == http.StatusBadRequest && k.c.base.Scheme == "http" {
		return Step{Detail: where(resp.Request.URL) + ": it speaks HTTPS", Fix: fixScheme("https")}
	}
	if resp.TLS == nil {
		return Step{OK: true, Detail: "plain HTTP, no TLS"}
	}
	cert := resp.TLS.PeerCertificates[0]
	step := Step{OK: true, Detail: tls.VersionName(resp.TLS.Version) + ", " + describeCertificate(cert)}
	if daysLeft(cert) < expirySoon {
		step.Fix = fmt.Sprintf("the certificate ends on %s: renew it on the registry", cert.NotAfter.Format(time.DateOnly))
	}
	return step
}

// describeFailure adds the certificate that was refused.
func describeFailure(s Step, err error) Step {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) && len(verification.UnverifiedCertificates) > 0 {
		s.Detail += "; " + describeCertificate(verification.UnverifiedCertificates[0])
	}
	return s
}

func describeCertificate(cert *x509.Certificate) string {
	issuer := cert.Issuer.CommonName
	if issuer == "" {
		issuer = cert.Issuer.String()
	}
	return fmt.Sprintf("issuer %s, valid until %s (%d days)", clean(issuer), cert.NotAfter.Format(time.DateOnly), daysLeft(cert))
}

func daysLeft(cert *x509.Certificate) int { return int(time.Until(cert.NotAfter).Hours() / 24) }

func (k *checker) auth(ctx context.Context) Step {
	at := where(k.ping.Request.URL)
	switch s := k.ping.StatusCode; {
	case s == http.StatusNotFound, s == http.StatusOK && k.html:
		return Step{Detail: fmt.Sprintf("%s: HTTP %d: not the API of a registry", at, s), Fix: fixNoRegistry}
	case s == http.StatusOK, s == http.StatusUnauthorized:
	default:
		if k.html {
			return Step{Detail: fmt.Sprintf("%s: HTTP %d with an HTML page", at, s), Fix: fixNoRegistry}
		}
	}
	asked, ok := challengeOf(k.ping.Header)
	if k.ping.StatusCode == http.StatusUnauthorized && !ok {
		return Step{Detail: fmt.Sprintf("%s: HTTP 401 asks for %q, which is neither Basic nor Bearer", at, clean(k.ping.Header.Get("WWW-Authenticate"))),
			Fix: "use a registry account that works with docker login"}
	}
	resp, err := k.c.send(ctx, call{what: "auth", method: http.MethodGet, path: "/v2/", scope: k.c.ownScope()})
	if err != nil {
		return failed(err)
	}
	if resp.StatusCode != http.StatusOK {
		return failed(k.c.statusFault("auth", resp))
	}
	drain(resp.Body)
	step := Step{OK: true, Detail: k.describeAuth(ctx, asked)}
	account := k.find.Account(ctx)
	if !account.Expires.IsZero() {
		step.Detail += fmt.Sprintf(", until %s (%d days)", account.Expires.Format(time.DateOnly), int(time.Until(account.Expires).Hours()/24))
	}
	if account.State == plimsoll.CredentialEnding || account.State == plimsoll.CredentialEnded {
		step.Fix = fmt.Sprintf("the credentials end on %s: renew them", account.Expires.Format(time.DateOnly))
	}
	return step
}

func (k *checker) describeAuth(ctx context.Context, asked challenge) string {
	who := "without credentials"
	if found, err := k.c.credentials(ctx); err == nil && found.Username != "" {
		who = "as " + found.Username
	} else if err == nil && (found.Auth != "" || found.IdentityToken != "" || found.RegistryToken != "") {
		who = "with a stored token"
	}
	switch asked.scheme {
	case "bearer":
		return fmt.Sprintf("%s, by a token of %s", who, redactText(asked.realm))
	case "basic":
		return who + ", by Basic"
	}
	return "the registry asks for none"
}

// checkRepositories is how many repositories are looked into for one that has a tag.
const checkRepositories = 10

func (k *checker) list(ctx context.Context) Step {
	repositories, detail := k.c.conf.Repositories, ""
	if len(repositories) > 0 {
		detail = fmt.Sprintf("%d repositories by configuration", len(repositories))
	} else {
		found, about, err := k.find.FirstRepositories(ctx)
		if err != nil {
			return failed(err)
		}
		repositories, detail = found, about
	}
	if len(repositories) == 0 {
		k.stopped = "there is no image yet"
		return Step{OK: true, Detail: detail, Fix: "push an image, or list repositories in this registry's configuration if there should be some"}
	}
	return k.findTag(ctx, repositories, detail)
}

func (k *checker) findTag(ctx context.Context, repositories []string, detail string) Step {
	var last error
	for _, r := range repositories[:min(len(repositories), checkRepositories)] {
		tags, digest, more, err := k.find.FirstTags(ctx, r)
		if err != nil {
			last = err
			continue
		}
		if len(tags) > 0 {
			k.repository, k.tag, k.digest = r, tags[0], digest
			return Step{OK: true, Detail: fmt.Sprintf("%s; %s has %d tags%s", detail, r, len(tags), map[bool]string{true: " and more"}[more])}
		}
	}
	if last != nil {
		step := failed(last)
		if errors.Is(last, plimsoll.ErrNotFound) {
			step.Fix = "check the names under repositories"
		}
		step.Detail = detail + "; " + step.Detail
		return step
	}
	k.stopped = "there is no tag yet"
	return Step{OK: true, Detail: detail + "; none of those looked into has a tag"}
}

func (k *checker) manifest(ctx context.Context) Step {
	d := Descriptor{Digest: k.digest, MediaType: "by the listing"}
	if k.digest == "" {
		var err error
		if d, err = k.c.Head(ctx, k.repository, k.tag); err != nil {
			return failed(err)
		}
	}
	_, body, err := k.c.Manifest(ctx, k.repository, string(d.Digest))
	if err != nil {
		return failed(err)
	}
	if err := k.findBlobs(ctx, body); err != nil {
		return failed(err)
	}
	if len(k.blobs) == 0 {
		k.stopped = "this manifest names no blob"
	}
	return Step{OK: true, Detail: fmt.Sprintf("%s:%s is sha256:%s (%s)", k.repository, k.tag, d.Digest.Short(), clean(d.MediaType))}
}

// findBlobs takes the blobs of a manifest, or of the first child of an index.
func (k *checker) findBlobs(ctx context.Context, body []byte) error {
	type ref struct {
		Digest plimsoll.Digest `json:"digest"`
	}
	for range 2 {
		var m struct {
			Config            ref
			Layers, Manifests []ref
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return fmt.Errorf("%s:%s: %w manifest: %w", k.repository, k.tag, plimsoll.ErrInvalid, err)
		}
		if len(m.Manifests) == 0 {
			for _, r := range append(m.Layers, m.Config) {
				if _, err := plimsoll.ParseDigest(string(r.Digest)); err == nil {
					k.blobs = append(k.blobs, r.Digest)
				}
			}
			return nil
		}
		var err error
		if _, body, err = k.c.Manifest(ctx, k.repository, string(m.Manifests[0].Digest)); err != nil {
			return err
		}
	}
	return nil
}

// blob reads one byte from the middle of a blob: the way a broken transfer goes on.
func (k *checker) blob(ctx context.Context) Step {
	b, err := blobCall(k.repository, k.blobs[0])
	if err != nil {
		return failed(err)
	}
	b.header = http.Header{"Range": {"bytes=1-1"}}
	resp, err := k.c.send(ctx, b)
	if err != nil {
		return failed(err)
	}
	from := k.servedBy(resp.Request.URL)
	switch resp.StatusCode {
	case http.StatusPartialContent:
		drain(resp.Body)
		first, last, total, err := parseContentRange(resp.Header.Get("Content-Range"))
		if err != nil || first != 1 || last != 1 {
			return Step{Detail: fmt.Sprintf("asked for byte 1, got Content-Range %q%s", clean(resp.Header.Get("Content-Range")), from),
				Fix: "check the proxies and caches in front of the registry"}
		}
		return Step{OK: true, Detail: fmt.Sprintf("byte 1 of %d of sha256:%s%s", total, k.blobs[0].Short(), from)}
	case http.StatusOK:
		_ = resp.Body.Close()
		return Step{OK: true, Detail: "the whole blob came when one byte was asked for" + from,
			Fix: "Range is not supported: broken transfers start again from their first byte; check the proxies and caches in front of the registry"}
	}
	return failed(k.c.statusFault("blob", resp))
}

func (k *checker) servedBy(u *url.URL) string {
	if origin(u) == origin(&k.c.base) {
		return ""
	}
	return ", from " + clean(u.Host)
}
