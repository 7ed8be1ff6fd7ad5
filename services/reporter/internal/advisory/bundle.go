package advisory

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/enrich"
)

// A bundle is all feeds of a source in one signed file, for sites without a way out: the files of the source one after
// another, a manifest that names each with its sha256, a signature of the manifest (Ed25519), and at the very end the
// manifest's size. The same feeds give the same bytes.
const (
	bundleMagic = "PLIMBDL1"
	// bundleTail is what follows the manifest: its signature, its size, the magic.
	bundleTail = ed25519.SignatureSize + 4 + len(bundleMagic)
	// maxManifest bounds the manifest, in bytes: 500 feeds have a tenth of it.
	maxManifest = 1 << 20
	// signedAs stands before what is signed, so that a signature of something else fits no bundle.
	signedAs = "plimsoll advisory bundle 1\n"
	// maxKey bounds a key file, in bytes.
	maxKey = 16 << 10
)

type bundleManifest struct {
	Date  time.Time    `json:"date"` // of the newest record: how old the bundle's knowledge is
	Files []bundleFile `json:"files"`
}

type bundleFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// WriteBundle reads every feed of a source, checks it record by record as an update does, and writes a bundle. A feed that
// cannot be used is an error: a bundle without it would pass for whole. What is said of exploitation is taken where the
// source or ask offers it.
func WriteBundle(ctx context.Context, w io.Writer, source Source, ask map[enrich.Kind]func(context.Context, Stamp) (Answer, error), key ed25519.PrivateKey, now time.Time) (date time.Time, err error) {
	b := bundler{w: w}
	names, err := source.Ecosystems(ctx)
	if err != nil {
		return date, err
	}
	for _, name := range names {
		if err := b.feed(ctx, source, name, now); err != nil {
			return date, fmt.Errorf("advisories of %s: %w", name, err)
		}
	}
	u := Updater{source: source, o: Options{Enrichment: ask}}
	for _, kind := range enrich.Kinds {
		answer, err := u.askEnrichment(ctx, kind, Stamp{})
		if errors.Is(err, plimsoll.ErrNotFound) {
			continue
		}
		if err != nil {
			return date, fmt.Errorf("%s: %w", kind, err)
		}
		read, err := enrich.Parse(kind, answer.Bytes)
		if err != nil {
			return date, err
		}
		b.note(read.Date)
		if err := b.file(enrichmentFolder+"/"+kind.Files()[0], answer.Bytes); err != nil {
			return date, err
		}
	}
	if err := b.file(ecosystemsTxt, []byte(strings.Join(names, "\n")+"\n")); err != nil {
		return date, err
	}
	return b.manifest.Date, b.end(key)
}

type bundler struct {
	w        io.Writer
	manifest bundleManifest
}

func (b *bundler) feed(ctx context.Context, source Source, name string, now time.Time) error {
	answer, err := source.Zip(ctx, name, Stamp{})
	if err != nil {
		return err
	}
	s, err := stage(answer.Bytes, now)
	if err != nil {
		return err
	}
	b.note(s.newest)
	return b.file(name+"/"+allZip, answer.Bytes)
}

func (b *bundler) note(date time.Time) {
	if date.After(b.manifest.Date) {
		b.manifest.Date = date.UTC()
	}
}

func (b *bundler) file(name string, content []byte) error {
	b.manifest.Files = append(b.manifest.Files, bundleFile{name, int64(len(content)), sumOf(content)})
	_, err := b.w.Write(content)
	return err
}

func (b *bundler) end(key ed25519.PrivateKey) error {
	listed, err := json.Marshal(b.manifest)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	tail := append(ed25519.Sign(key, append([]byte(signedAs), listed...)), wordsOf([]uint32{uint32(len(listed))})...)
	_, err = b.w.Write(slices.Concat(listed, tail, []byte(bundleMagic)))
	return err
}

// Bundle is a source that a bundle holds. The file is looked at again with every update, so that a newer one may take its
// place; what does not fit its signature, made with the key that belongs to public, is refused and named.
func Bundle(file string, public ed25519.PublicKey) Source { return bundle{file, public} }

type bundle struct {
	path   string
	public ed25519.PublicKey
}

func (b bundle) Name() string { return b.path }

// Date is how old the bundle's knowledge is: of its newest record.
func (b bundle) Date() (time.Time, error) {
	f, m, err := b.open()
	if err != nil {
		return time.Time{}, err
	}
	return m.Date, f.Close()
}

func (b bundle) open() (*os.File, bundleManifest, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return nil, bundleManifest{}, fmt.Errorf("bundle: %w: %w", plimsoll.ErrUnavailable, err)
	}
	m, err := readManifest(f, b.public)
	if err != nil {
		return nil, m, fmt.Errorf("bundle %s: %w", b.path, errors.Join(err, f.Close()))
	}
	return f, m, nil
}

func readManifest(f *os.File, public ed25519.PublicKey) (m bundleManifest, err error) {
	info, err := f.Stat()
	if err != nil {
		return m, fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
	}
	tail := make([]byte, bundleTail)
	if info.Size() < int64(bundleTail) {
		return m, fmt.Errorf("%w: it is cut short, or no bundle", plimsoll.ErrIntegrity)
	}
	if _, err := f.ReadAt(tail, info.Size()-int64(bundleTail)); err != nil {
		return m, fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
	}
	signature, rest := tail[:ed25519.SignatureSize], tail[ed25519.SignatureSize:]
	size := int64(binary.LittleEndian.Uint32(rest))
	if !bytes.Equal(rest[4:], []byte(bundleMagic)) || size > maxManifest || size > info.Size()-int64(bundleTail) {
		return m, fmt.Errorf("%w: it is cut short, or no bundle", plimsoll.ErrIntegrity)
	}
	listed := make([]byte, size)
	start := info.Size() - int64(bundleTail) - size
	if _, err := f.ReadAt(listed, start); err != nil {
		return m, fmt.Errorf("%w: %w", plimsoll.ErrUnavailable, err)
	}
	if !ed25519.Verify(public, append([]byte(signedAs), listed...), signature) {
		return m, fmt.Errorf("%w: its signature is not of this key: it was changed, or made by somebody else", plimsoll.ErrIntegrity)
	}
	if err := json.Unmarshal(listed, &m); err != nil {
		return m, fmt.Errorf("%w: manifest: %w", plimsoll.ErrIntegrity, err)
	}
	var all int64
	for _, x := range m.Files {
		if x.Size < 0 || all+x.Size > start {
			return m, fmt.Errorf("%w: %s: it is not in the file", plimsoll.ErrIntegrity, clip(x.Name))
		}
		all += x.Size
	}
	if all != start {
		return m, fmt.Errorf("%w: the file holds %d bytes, its manifest names %d", plimsoll.ErrIntegrity, start, all)
	}
	return m, nil
}

// read gives one file of the bundle, unless it is still what have says.
func (b bundle) read(ctx context.Context, name string, limit int64, have Stamp) (Answer, error) {
	if ctx.Err() != nil {
		return Answer{}, context.Cause(ctx)
	}
	f, m, err := b.open()
	if err != nil {
		return Answer{}, err
	}
	defer f.Close()
	at := int64(0)
	for _, x := range m.Files {
		if x.Name != name {
			at += x.Size
			continue
		}
		stamp := Stamp{ETag: x.SHA256}
		if stamp == have {
			return Answer{Stamp: stamp, Unchanged: true}, nil
		}
		content, err := readAll(io.NewSectionReader(f, at, x.Size), name, limit)
		if err != nil {
			return Answer{}, err
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != x.SHA256 {
			return Answer{}, fmt.Errorf("bundle %s: %s: %w: its bytes are not those that were signed", b.path, name, plimsoll.ErrIntegrity)
		}
		return Answer{Bytes: content, Stamp: stamp}, nil
	}
	return Answer{}, fmt.Errorf("bundle %s: %s: %w", b.path, name, plimsoll.ErrNotFound)
}

func (b bundle) Ecosystems(ctx context.Context) ([]string, error) {
	answer, err := b.read(ctx, ecosystemsTxt, maxList, Stamp{})
	if err != nil {
		return nil, err
	}
	return feedNames(strings.Split(string(answer.Bytes), "\n")), nil
}

func (b bundle) Zip(ctx context.Context, ecosystem string, have Stamp) (Answer, error) {
	return b.read(ctx, ecosystem+"/"+allZip, MaxZip, have)
}

func (b bundle) Enrichment(ctx context.Context, kind enrich.Kind, have Stamp) (Answer, error) {
	return b.read(ctx, enrichmentFolder+"/"+kind.Files()[0], enrich.MaxFile, have)
}

// asOf is how old a generation's knowledge is: of its newest record, or of the newest of what is said of exploitation.
func asOf(g plimsoll.Generation) (newest time.Time) {
	for _, f := range slices.Concat(g.Feeds, g.Enrichment) {
		if f.Newest.After(newest) {
			newest = f.Newest
		}
	}
	return newest
}

// refuseOlder refuses a bundle that knows less than what stands.
func (u *Updater) refuseOlder() error {
	b, is := u.source.(bundle)
	if !is || u.o.AllowOlder || u.accept {
		return nil
	}
	date, err := b.Date()
	if had := asOf(u.last.Generation()); err == nil && date.Before(had) {
		err = fmt.Errorf("bundle %s: %w: its newest record is of %s, older than the %s that we have; start with --allow-older to take it all the same",
			b.path, plimsoll.ErrInvalid, date.Format(time.DateTime), had.Format(time.DateTime))
	}
	return err
}

// NewKey makes a pair of keys in PEM: PKCS #8 and PKIX, as openssl writes them.
func NewKey() (private, public []byte, err error) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	open, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}), nil
}

// PrivateKey reads the key that signs bundles from a file: an Ed25519 key in PEM (PKCS #8), as NewKey and
// "openssl genpkey -algorithm ed25519" make it.
func PrivateKey(file string) (ed25519.PrivateKey, error) {
	block, err := readPEM(file, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(block)
	private, is := key.(ed25519.PrivateKey)
	if err != nil || !is {
		return nil, fmt.Errorf("%s: %w: no Ed25519 key; make one with: plimsoll advisories bundle --new-key --key FILE", file, plimsoll.ErrInvalid)
	}
	return private, nil
}

// PublicKey reads the key that a bundle must be signed for from a file: Ed25519 in PEM (PKIX).
func PublicKey(file string) (ed25519.PublicKey, error) {
	block, err := readPEM(file, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(block)
	public, is := key.(ed25519.PublicKey)
	if err != nil || !is {
		return nil, fmt.Errorf("%s: %w: no public Ed25519 key", file, plimsoll.ErrInvalid)
	}
	return public, nil
}

func readPEM(file, kind string) ([]byte, error) {
	b, err := readLimited(file, maxKey)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: %w: it holds no %s in PEM", file, plimsoll.ErrInvalid, kind)
	}
	return block.Bytes, nil
}
