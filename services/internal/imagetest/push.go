package imagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Push sends an image or index (v1.Image, v1.ImageIndex) with all it needs to a registry over plain HTTP and tags it. host
// is host:port; tag may be a digest. Blobs that the registry has are not sent.
func Push(ctx context.Context, host, repository, tag string, what partial.WithRawManifest) error {
	switch w := what.(type) {
	case v1.Image:
		return pushImage(ctx, host, repository, tag, w)
	case v1.ImageIndex:
		return pushIndex(ctx, host, repository, tag, w)
	}
	return fmt.Errorf("push %s:%s: %T is neither image nor index", repository, tag, what)
}

func pushImage(ctx context.Context, host, repository, reference string, image v1.Image) error {
	layers, err := image.Layers()
	if err != nil {
		return fmt.Errorf("push %s:%s: layers: %w", repository, reference, err)
	}
	for _, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			return fmt.Errorf("push %s:%s: layer: %w", repository, reference, err)
		}
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("push %s:%s: layer: %w", repository, reference, err)
		}
		if err := PushBlob(ctx, host, repository, b); err != nil {
			return err
		}
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return fmt.Errorf("push %s:%s: configuration: %w", repository, reference, err)
	}
	if err := PushBlob(ctx, host, repository, config); err != nil {
		return err
	}
	return pushDocument(ctx, host, repository, reference, image)
}

func pushIndex(ctx context.Context, host, repository, reference string, index v1.ImageIndex) error {
	m, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("push %s:%s: index: %w", repository, reference, err)
	}
	for _, d := range m.Manifests {
		var child partial.WithRawManifest
		if d.MediaType.IsIndex() {
			child, err = index.ImageIndex(d.Digest)
		} else {
			child, err = index.Image(d.Digest)
		}
		if err != nil {
			return fmt.Errorf("push %s:%s: child %s: %w", repository, reference, d.Digest, err)
		}
		if err := Push(ctx, host, repository, d.Digest.String(), child); err != nil {
			return err
		}
	}
	return pushDocument(ctx, host, repository, reference, index)
}

func pushDocument(ctx context.Context, host, repository, reference string, what partial.WithRawManifest) error {
	body, err := what.RawManifest()
	if err != nil {
		return fmt.Errorf("push %s:%s: manifest: %w", repository, reference, err)
	}
	kind := types.OCIManifestSchema1
	if typed, ok := what.(interface {
		MediaType() (types.MediaType, error)
	}); ok {
		if kind, err = typed.MediaType(); err != nil {
			return fmt.Errorf("push %s:%s: media type: %w", repository, reference, err)
		}
	}
	return PushManifest(ctx, host, repository, reference, string(kind), body)
}

// PushManifest sends any bytes as a manifest; reference is a tag or a digest.
func PushManifest(ctx context.Context, host, repository, reference, mediaType string, body []byte) error {
	u := url.URL{Scheme: "http", Host: host, Path: "/v2/" + repository + "/manifests/" + reference}
	_, err := send(ctx, http.MethodPut, u.String(), mediaType, body, http.StatusCreated)
	return err
}

// PushBlob sends any bytes as a blob, unless the registry has them (distribution specification, "Pushing blobs": POST then PUT).
func PushBlob(ctx context.Context, host, repository string, body []byte) error {
	base := url.URL{Scheme: "http", Host: host, Path: "/v2/" + repository + "/blobs/"}
	digest := hash(body).String()
	if _, err := send(ctx, http.MethodHead, base.String()+digest, "", nil, http.StatusOK); err == nil {
		return nil
	}
	resp, err := send(ctx, http.MethodPost, base.String()+"uploads/", "", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	at, err := base.Parse(resp.Header.Get("Location"))
	if err != nil {
		return fmt.Errorf("push blob to %s: upload location: %w", base.String(), err)
	}
	q := at.Query()
	q.Set("digest", digest)
	at.RawQuery = q.Encode()
	_, err = send(ctx, http.MethodPut, at.String(), "application/octet-stream", body, http.StatusCreated)
	return err
}

// Delete removes a tag or, by digest, a manifest with all its tags.
func Delete(ctx context.Context, host, repository, reference string) error {
	u := url.URL{Scheme: "http", Host: host, Path: "/v2/" + repository + "/manifests/" + reference}
	_, err := send(ctx, http.MethodDelete, u.String(), "", nil, http.StatusAccepted)
	return err
}

// client has connections of its own: package net/http/httptest closes those of the default client under a test's feet.
var client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 10 * time.Second}}

// saidLimit bounds how much of a refusal is quoted.
const saidLimit = 500

func send(ctx context.Context, method, u, mediaType string, body []byte, want int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, u, err)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, u, err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, saidLimit))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, u, err)
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: HTTP %d, want %d: %s", method, u, resp.StatusCode, want, said)
	}
	return resp, nil
}
