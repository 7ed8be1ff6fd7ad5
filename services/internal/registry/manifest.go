package registry

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// accept names every kind of manifest there is, wanted ones first. Schema 1 stands at the end although we do not read it: a
// registry that holds nothing else would say "not found", which is not what it is.
var accept = []string{strings.Join([]string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.oci.artifact.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.2",
	"application/vnd.docker.distribution.manifest.v1+json;q=0.2",
	"*/*;q=0.1",
}, ", ")}

const schema1Prefix = "application/vnd.docker.distribution.manifest.v1+"

// integrityTries is how often a document is read when its bytes do not match its digest: a flipped bit is not flipped twice.
const integrityTries = 2

// Head resolves a tag (or digest) by HEAD: one request. A registry that gives no digest with it, or knows no HEAD, is asked
// by GET, and the digest is then ours.
func (c *Client) Head(ctx context.Context, repository, tag string) (Descriptor, error) {
	k, err := manifestCall(repository, tag)
	if err != nil {
		return Descriptor{}, err
	}
	k.method = http.MethodHead
	d, err := c.head(ctx, k)
	if errors.Is(err, errNoHead) {
		d, _, err = c.Manifest(ctx, repository, tag)
		return d, err
	}
	if err == nil && strings.Contains(tag, ":") && string(d.Digest) != tag {
		return Descriptor{}, fmt.Errorf("%s: %w: the registry answers with %s", k.what, plimsoll.ErrIntegrity, d.Digest)
	}
	return d, err
}

var errNoManifest = errors.New("an HTML page in place of a manifest")

var errNoHead = errors.New("no digest by HEAD")

func (c *Client) head(ctx context.Context, k call) (Descriptor, error) {
	leave, err := c.enter(ctx)
	if err != nil {
		return Descriptor{}, fmt.Errorf("%s: %w", k.what, err)
	}
	defer leave()
	resp, err := c.send(ctx, k)
	if err != nil {
		return Descriptor{}, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest:
		drain(resp.Body)
		return Descriptor{}, errNoHead
	default:
		return Descriptor{}, c.statusFault(k.what, resp)
	}
	drain(resp.Body)
	said := resp.Header.Get(digestHeader)
	if said == "" {
		return Descriptor{}, errNoHead
	}
	digest, err := plimsoll.ParseDigest(said)
	if err != nil {
		return Descriptor{}, fmt.Errorf("%s: %s: %s: %w", k.what, where(resp.Request.URL), digestHeader, err)
	}
	return Descriptor{Digest: digest, MediaType: mediaType(resp.Header), Size: resp.ContentLength}, nil
}

const digestHeader = "Docker-Content-Digest"

// Manifest reads a manifest or index by tag or digest. Its bytes are at most 4 MiB (ErrLimit) and match the digest asked for
// or, for a tag, the one the registry states (ErrIntegrity). Whether the document is one, both or neither is for the caller
// to tell.
func (c *Client) Manifest(ctx context.Context, repository, reference string) (Descriptor, []byte, error) {
	k, err := manifestCall(repository, reference)
	if err != nil {
		return Descriptor{}, nil, err
	}
	d, body, err := c.manifest(ctx, k, reference)
	for try := 1; errors.Is(err, plimsoll.ErrIntegrity) && try < integrityTries; try++ {
		d, body, err = c.manifest(ctx, k, reference)
	}
	return d, body, err
}

func (c *Client) manifest(ctx context.Context, k call, reference string) (Descriptor, []byte, error) {
	doc, err := c.fetch(ctx, k, c.lim.document)
	if err != nil {
		return Descriptor{}, nil, err
	}
	kind := mediaType(doc.header)
	if isHTML(doc.header, doc.body) {
		return Descriptor{}, nil, &fault{what: k.what, at: where(doc.url), kind: plimsoll.ErrInvalid, cause: errNoManifest, fix: fixNoRegistry}
	}
	digest := plimsoll.DigestOf(doc.body)
	want := doc.header.Get(digestHeader)
	if strings.Contains(reference, ":") {
		want = reference
	} else if strings.HasPrefix(kind, schema1Prefix) {
		want = "" // the digest of a signed schema 1 manifest leaves its signatures out
	}
	if want != "" && string(digest) != want {
		return Descriptor{}, nil, fmt.Errorf("%s: %s: %w: got %s, want %.80s", k.what, where(doc.url), plimsoll.ErrIntegrity, digest, want)
	}
	return Descriptor{Digest: digest, MediaType: kind, Size: int64(len(doc.body))}, doc.body, nil
}

// manifestCall checks names before they stand in a URL.
func manifestCall(repository, reference string) (call, error) {
	if err := plimsoll.CheckRepository(repository); err != nil {
		return call{}, err
	}
	what := repository + ":" + reference
	if strings.Contains(reference, ":") {
		if _, err := plimsoll.ParseDigest(reference); err != nil {
			return call{}, err
		}
		what = repository + "@" + reference
	} else if err := plimsoll.CheckTag(reference); err != nil {
		return call{}, err
	}
	return call{what: what, method: http.MethodGet, path: "/v2/" + repository + "/manifests/" + reference, scope: pullScope(repository),
		header: http.Header{"Accept": accept}, gated: true}, nil
}

// Config reads a small blob whole: at most 4 MiB (ErrLimit), its bytes matching the digest (ErrIntegrity).
func (c *Client) Config(ctx context.Context, repository string, digest plimsoll.Digest) ([]byte, error) {
	k, err := blobCall(repository, digest)
	if err != nil {
		return nil, err
	}
	k.gated = true
	for try := 1; ; try++ {
		doc, err := c.fetch(ctx, k, c.lim.document)
		if err != nil {
			return nil, err
		}
		c.opts.Bytes(len(doc.body))
		got := plimsoll.DigestOf(doc.body)
		if got == digest {
			return doc.body, nil
		}
		if try >= integrityTries {
			return nil, &fault{what: k.what, at: where(doc.url), kind: plimsoll.ErrIntegrity, cause: fmt.Errorf("got %s", got), fix: htmlHint(doc)}
		}
	}
}

func blobCall(repository string, digest plimsoll.Digest) (call, error) {
	if err := plimsoll.CheckRepository(repository); err != nil {
		return call{}, err
	}
	if _, err := plimsoll.ParseDigest(string(digest)); err != nil {
		return call{}, err
	}
	return call{what: "blob " + repository + "@" + string(digest), method: http.MethodGet, path: "/v2/" + repository + "/blobs/" + string(digest),
		scope: pullScope(repository)}, nil
}

// mediaType is the Content-Type without parameters; empty when it is absent or of the wrong form.
func mediaType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}
