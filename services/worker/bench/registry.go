package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// registry serves layouts from the disk: imagetest's holds its blobs in memory, which 2 GB layers are too large for. It reads
// no credentials and takes no pushes (OCI distribution specification, "Pull").
type registry struct {
	server *http.Server
	url    string
	served sync.WaitGroup

	mu     sync.Mutex
	images map[string]image // by repository
	layers map[string]bool  // digests that count as layers
	bytes  atomic.Int64     // of layers' bodies, as sent
}

func startRegistry() (*registry, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &registry{url: "http://" + l.Addr().String(), images: map[string]image{}, layers: map[string]bool{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	r.served.Go(func() { _ = r.server.Serve(l) }) // its error is that it was closed
	return r, nil
}

func (r *registry) close() {
	r.server.Close()
	r.served.Wait()
}

// add serves an image as bench/<its name>:1.
func (r *registry) add(i image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.images[repositoryOf(i)] = i
	for digest := range i.Facts.Layers {
		r.layers[digest] = true
	}
}

func repositoryOf(i image) string { return "bench/" + strings.ToLower(i.Name) }

// tag is what every image is tagged.
const tag = "1"

// layerBytes is what was sent of layers since it was last asked.
func (r *registry) layerBytes() int64 { return r.bytes.Swap(0) }

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	switch {
	case !ok || req.Method != http.MethodGet && req.Method != http.MethodHead:
		http.Error(w, "this registry is read only", http.StatusMethodNotAllowed)
	case path == "":
		w.WriteHeader(http.StatusOK)
	default:
		r.document(w, req, path)
	}
}

// document serves REPOSITORY/manifests/REFERENCE and REPOSITORY/blobs/DIGEST.
func (r *registry) document(w http.ResponseWriter, req *http.Request, path string) {
	kind, at := "/manifests/", strings.LastIndex(path, "/manifests/")
	if at < 0 {
		kind, at = "/blobs/", strings.LastIndex(path, "/blobs/")
	}
	if at < 0 {
		http.NotFound(w, req)
		return
	}
	reference := path[at+len(kind):]
	r.mu.Lock()
	i, ok := r.images[path[:at]]
	layer := r.layers[reference]
	r.mu.Unlock()
	if reference == tag {
		reference = i.Manifest.String()
	}
	digest, err := v1.NewHash(reference)
	if !ok || err != nil {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Docker-Content-Digest", reference)
	w.Header().Set("Content-Type", "application/octet-stream")
	if kind == "/manifests/" {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	}
	if layer {
		w = &countingWriter{w, &r.bytes}
	}
	serveFile(w, req, blobPath(i.Dir, digest))
}

func serveFile(w http.ResponseWriter, req *http.Request, file string) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		http.NotFound(w, req)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	http.ServeContent(w, req, "", time.Time{}, f)
}

// countingWriter counts a body. It hands files on as they are, so that the kernel can send them (sendfile): this process
// shares the cores with what it measures.
type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.n.Add(int64(n))
	return n, err
}

func (w *countingWriter) ReadFrom(from io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseWriter, from)
	w.n.Add(n)
	return n, err
}
