package imagetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// RegistryOptions configure a [Registry]. The zero value serves without notifications.
type RegistryOptions struct {
	// Notify is the URL that pushes are announced to, in the form of the CNCF distribution registry's notifications; Secret then
	// goes with each as "Authorization: Bearer …".
	Notify, Secret string
	// NoCatalog and NoRange leave out what some real registries lack.
	NoCatalog, NoRange bool
	Log                *slog.Logger // default: discard
}

// Registry is an OCI registry in memory: pushes, pulls, catalog and tag lists with paging, ranged reads, deletes,
// notifications. It counts what it serves, and its answers can be bent ([Registry.Intercept]). It is an http.Handler; Start
// gives it a listener of its own.
type Registry struct {
	opts  RegistryOptions
	inner http.Handler // go-containerregistry's: manifests and uploads
	blobs *blobStore
	front atomic.Pointer[http.Handler]
	count counters
	note  *notifier

	server *http.Server
	addr   string
	served chan struct{}
}

// NewRegistry makes an empty registry. Close it, also without Start: the notifications have a goroutine.
func NewRegistry(o RegistryOptions) *Registry {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{opts: o, blobs: &blobStore{m: map[v1.Hash][]byte{}}}
	r.inner = registry.New(registry.WithBlobHandler(r.blobs), registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	r.note = newNotifier(o)
	r.Intercept(nil)
	return r
}

// Start listens on an address, 127.0.0.1:0 for any free port of loopback.
func (r *Registry) Start(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	r.addr = l.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	r.served = make(chan struct{})
	go func() {
		defer close(r.served)
		if err := r.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.opts.Log.Error("registry stopped", "error", err)
		}
	}()
	return nil
}

// Host is the listener's host:port; URL has http:// before it.
func (r *Registry) Host() string { return r.addr }

// URL is where a client finds the registry.
func (r *Registry) URL() string { return "http://" + r.addr }

// Close ends the listener, its connections and the notifications not yet sent.
func (r *Registry) Close() {
	if r.server != nil {
		_ = r.server.Close()
		<-r.served
	}
	r.note.close()
}

// Intercept puts a handler in front of the registry, in place of the one before; nil takes it away. Requests are counted
// before it.
func (r *Registry) Intercept(wrap func(next http.Handler) http.Handler) {
	var h http.Handler = http.HandlerFunc(r.serve)
	if wrap != nil {
		h = wrap(h)
	}
	r.front.Store(&h)
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rt := parseRoute(req)
	r.count.request(rt, req.Method)
	if rt.kind == kindBlob && req.Method == http.MethodGet {
		w = &countingWriter{ResponseWriter: w, add: func(n int) { r.count.blobBytes(rt.reference, n) }}
	}
	(*r.front.Load()).ServeHTTP(w, req)
}

// route is what a path asks for.
type route struct{ kind, repository, reference string }

const (
	kindPing     = "ping"
	kindCatalog  = "catalog"
	kindTags     = "tags"
	kindManifest = "manifest"
	kindBlob     = "blob"
	kindUpload   = "upload"
	kindOther    = "other"
)

func parseRoute(req *http.Request) route {
	rest, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	switch {
	case req.URL.Path == "/v2" || ok && rest == "":
		return route{kind: kindPing}
	case !ok:
		return route{kind: kindOther}
	case rest == "_catalog":
		return route{kind: kindCatalog}
	case strings.HasSuffix(rest, "/tags/list"):
		return route{kind: kindTags, repository: strings.TrimSuffix(rest, "/tags/list")}
	case strings.Contains(rest, "/blobs/uploads"):
		return route{kind: kindUpload}
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 3 {
		return route{kind: kindOther}
	}
	rt := route{repository: strings.Join(parts[:len(parts)-2], "/"), reference: parts[len(parts)-1]}
	rt.kind = map[string]string{"manifests": kindManifest, "blobs": kindBlob}[parts[len(parts)-2]]
	if rt.kind == "" {
		rt.kind = kindOther
	}
	return rt
}

func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	switch rt := parseRoute(req); {
	case rt.kind == kindCatalog && r.opts.NoCatalog:
		refuse(w, http.StatusNotFound, "UNSUPPORTED", "no catalog here")
	case rt.kind == kindCatalog && req.Method == http.MethodGet:
		r.serveList(w, req, "repositories", "", r.inside(req, "/v2/_catalog?n=1000000000"))
	case rt.kind == kindTags && req.Method == http.MethodGet:
		r.serveList(w, req, "tags", rt.repository, r.inside(req, req.URL.Path))
	case rt.kind == kindBlob && req.Method == http.MethodGet:
		r.serveBlob(w, req, rt.reference)
	case rt.kind == kindManifest && req.Method == http.MethodPut:
		r.putManifest(w, req, rt)
	case rt.kind == kindManifest && req.Method == http.MethodDelete:
		r.deleteManifest(w, req, rt)
	default:
		r.inner.ServeHTTP(w, req)
	}
}

// inside asks the inner registry and keeps its answer.
func (r *Registry) inside(req *http.Request, target string) *capture {
	return r.insideAs(req.Context(), http.MethodGet, target)
}

func (r *Registry) insideAs(ctx context.Context, method, target string) *capture {
	c := &capture{header: http.Header{}}
	r.inner.ServeHTTP(c, Must(http.NewRequestWithContext(ctx, method, target, http.NoBody)))
	return c
}

// serveList pages an inner listing: n and last of the query, the next page in the Link header (distribution specification,
// "Listing tags").
func (r *Registry) serveList(w http.ResponseWriter, req *http.Request, field, repository string, all *capture) {
	if all.status != http.StatusOK {
		all.replay(w)
		return
	}
	var listed struct{ Repositories, Tags []string }
	if err := json.Unmarshal(all.body, &listed); err != nil {
		refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	names := slices.Concat(listed.Repositories, listed.Tags)
	sort.Strings(names)
	n, last := pageOf(req)
	from, found := slices.BinarySearch(names, last)
	if found {
		from++
	}
	page := append([]string{}, names[from:]...)
	if n < len(page) {
		page = page[:n]
		next := url.Values{"n": {strconv.Itoa(n)}, "last": {page[max(n-1, 0)]}}
		w.Header().Set("Link", fmt.Sprintf("<%s?%s>; rel=\"next\"", req.URL.Path, next.Encode()))
	}
	reply := map[string]any{field: page}
	if repository != "" {
		reply["name"] = repository
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply)
}

// pageLimit is the page that a client gets who asks for none, as the distribution registry has it.
const pageLimit = 1000

func pageOf(req *http.Request) (n int, last string) {
	q := req.URL.Query()
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n <= 0 || n > pageLimit {
		n = pageLimit
	}
	return n, q.Get("last")
}

// serveBlob serves Range in all its forms, which the inner registry does not.
func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, reference string) {
	b, ok := r.blobs.get(reference)
	if !ok {
		refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "Unknown blob")
		return
	}
	if r.opts.NoRange {
		req.Header.Del("Range")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", reference)
	http.ServeContent(w, req, "", time.Time{}, newReader(b))
}

func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, rt route) {
	c := &capture{header: http.Header{}}
	body := &countingReader{ReadCloser: req.Body}
	req.Body = body
	r.inner.ServeHTTP(c, req)
	c.replay(w)
	if c.status == http.StatusCreated {
		r.note.pushed(req, rt, c.header.Get("Docker-Content-Digest"), body.n)
	}
}

// deleteManifest removes a tag alone, or a manifest with every tag that points at it.
func (r *Registry) deleteManifest(w http.ResponseWriter, req *http.Request, rt route) {
	if strings.Contains(rt.reference, ":") {
		var listed struct{ Tags []string }
		_ = json.Unmarshal(r.inside(req, "/v2/"+rt.repository+"/tags/list").body, &listed) // an unknown repository has no tags
		for _, tag := range listed.Tags {
			at := "/v2/" + rt.repository + "/manifests/" + tag
			if r.insideAs(req.Context(), http.MethodHead, at).header.Get("Docker-Content-Digest") == rt.reference {
				r.insideAs(req.Context(), http.MethodDelete, at)
			}
		}
	}
	c := &capture{header: http.Header{}}
	r.inner.ServeHTTP(c, req)
	c.replay(w)
	if c.status == http.StatusAccepted {
		r.note.deleted(req, rt)
	}
}

// refuse answers with the distribution specification's error document.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

// capture is a ResponseWriter that keeps the answer.
type capture struct {
	header http.Header
	status int
	body   []byte
}

func (c *capture) Header() http.Header { return c.header }

func (c *capture) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *capture) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	c.body = append(c.body, b...)
	return len(b), nil
}

func (c *capture) replay(w http.ResponseWriter) {
	for name, values := range c.header {
		w.Header()[name] = values
	}
	w.WriteHeader(c.status)
	_, _ = w.Write(c.body)
}

// blobStore is the registry's memory of blobs, shared by all repositories.
type blobStore struct {
	mu sync.RWMutex
	m  map[v1.Hash][]byte
}

func (s *blobStore) get(reference string) ([]byte, bool) {
	h, err := v1.NewHash(reference)
	if err != nil {
		return nil, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.m[h]
	return b, ok
}

func (s *blobStore) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	b, ok := s.get(h.String())
	if !ok {
		return 0, registry.ErrNotFound
	}
	return int64(len(b)), nil
}

func (s *blobStore) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	b, ok := s.get(h.String())
	if !ok {
		return nil, registry.ErrNotFound
	}
	return io.NopCloser(newReader(b)), nil
}

// Put reads outside the lock: the body comes from the network.
func (s *blobStore) Put(_ context.Context, _ string, h v1.Hash, rc io.ReadCloser) error {
	b, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[h] = b
	return nil
}

func (s *blobStore) Delete(_ context.Context, _ string, h v1.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.m[h]; !ok {
		return registry.ErrNotFound
	}
	delete(s.m, h)
	return nil
}
