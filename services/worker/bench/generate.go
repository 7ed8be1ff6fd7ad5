package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// made is one image that this program makes. Its version stands in the name of its folder: raise it with any change of what
// make writes, so that a kept folder is not taken for the new one.
type made struct {
	name    string
	version int
	make    func(dir string, o options) ([]storedLayer, error)
}

// madeImages are the images of the list that need no corpus.
var madeImages = []made{
	{"empty-300k", 1, emptyFiles},
	{"fat-jar", 1, fatJar},
	{"one-2g-layer", 1, bigLayer},
	{"layers-74", 1, manyLayers},
	{"go-binary-230m", 1, goBinary},
}

const (
	emptyCount  = 300_000
	emptyPerDir = 1_000
	bigBytes    = 2 << 30
	layerCount  = 74
	jarCount    = 200     // nested ones
	jarClasses  = 24      // of each
	ownClasses  = 3_000   // of the outer jar
	classBytes  = 8 << 10 // at most
	binaryData  = 216 << 20
	textBytes   = 1 << 20 // of the text that files are cut from
)

// content is a deterministic source of bytes of two kinds: noise, which does not compress, and text, which does about as
// well as source code.
type content struct {
	pick  *rand.Rand
	noise *rand.ChaCha8
	text  []byte
}

func newContent(seed string) *content {
	var key [32]byte
	copy(key[:], seed)
	c := &content{noise: rand.NewChaCha8(key)}
	c.pick = rand.New(rand.NewChaCha8(key))
	c.text = c.makeText()
	return c
}

// makeText writes words of a small vocabulary, the frequent ones far more often than the rare.
func (c *content) makeText() []byte {
	words := make([]string, 4096)
	for i := range words {
		b := make([]byte, 2+c.pick.IntN(9))
		for j := range b {
			b[j] = 'a' + byte(c.pick.IntN(26))
		}
		words[i] = string(b)
	}
	var out bytes.Buffer
	for out.Len() < textBytes {
		n := c.pick.IntN(len(words))
		out.WriteString(words[n*c.pick.IntN(len(words))/len(words)])
		out.WriteByte(" \n"[c.pick.IntN(10)/9])
	}
	return out.Bytes()[:textBytes]
}

// writeNoise and writeText write n bytes.
func (c *content) writeNoise(w io.Writer, n int64) error {
	_, err := io.CopyN(w, c.noise, n)
	return err
}

func (c *content) writeText(w io.Writer, n int64) error {
	for n > 0 {
		at := c.pick.IntN(textBytes - 4096)
		b := c.text[at : at+int(min(n, 4096))]
		if _, err := w.Write(b); err != nil {
			return err
		}
		n -= int64(len(b))
	}
	return nil
}

// class is what a compiled class looks like to an archive: the magic number, names, code.
func (c *content) class() []byte {
	var b bytes.Buffer
	b.WriteString("\xca\xfe\xba\xbe\x00\x00\x00\x41")
	size := int64(1024 + c.pick.IntN(classBytes-1024))
	_ = c.writeText(&b, size/2) // a buffer takes everything
	_ = c.writeNoise(&b, size/2)
	return b.Bytes()
}

func header(name string, mode, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, ModTime: imagetest.Epoch, Format: tar.FormatUSTAR}
}

// inTar writes a tar through what fill does.
func inTar(fill func(*tar.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		t := tar.NewWriter(w)
		if err := fill(t); err != nil {
			return err
		}
		return t.Close()
	}
}

// one is a layer alone.
func one(dir string, fill func(*tar.Writer) error) ([]storedLayer, error) {
	l, err := addLayer(dir, inTar(fill))
	return []storedLayer{l}, err
}

// emptyFiles has nothing but names.
func emptyFiles(dir string, _ options) ([]storedLayer, error) {
	return one(dir, func(t *tar.Writer) error {
		for i := range emptyCount {
			if i%emptyPerDir == 0 {
				h := header(fmt.Sprintf("srv/data/%03d/", i/emptyPerDir), 0o755, 0)
				h.Typeflag = tar.TypeDir
				if err := t.WriteHeader(h); err != nil {
					return err
				}
			}
			if err := t.WriteHeader(header(fmt.Sprintf("srv/data/%03d/file-%06d.dat", i/emptyPerDir, i), 0o644, 0)); err != nil {
				return err
			}
		}
		return nil
	})
}

// fatJar has one archive of 60 MB: 3,000 classes of its own and 200 archives inside, each with its Maven coordinates.
func fatJar(dir string, _ options) ([]storedLayer, error) {
	c := newContent("fat-jar")
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	for i := range jarCount {
		nested, err := c.library(i)
		if err != nil {
			return nil, err
		}
		// Stored, not deflated: Spring Boot's loader reads nested archives in place.
		if err := addMember(z, fmt.Sprintf("BOOT-INF/lib/library-%03d-1.%d.0.jar", i, i), zip.Store, nested); err != nil {
			return nil, err
		}
	}
	for i := range ownClasses {
		if err := addMember(z, fmt.Sprintf("BOOT-INF/classes/org/example/p%02d/Class%04d.class", i%40, i), zip.Deflate, c.class()); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return one(dir, func(t *tar.Writer) error {
		if err := t.WriteHeader(header("app/service.jar", 0o644, int64(jar.Len()))); err != nil {
			return err
		}
		_, err := t.Write(jar.Bytes())
		return err
	})
}

// library is one nested archive.
func (c *content) library(n int) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	artifact := fmt.Sprintf("library-%03d", n)
	text := fmt.Sprintf("groupId=org.example.libraries\nartifactId=%s\nversion=1.%d.0\n", artifact, n)
	members := []struct{ name, body string }{
		{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nImplementation-Title: " + artifact + "\r\n\r\n"},
		{"META-INF/maven/org.example.libraries/" + artifact + "/pom.properties", text},
	}
	for _, m := range members {
		if err := addMember(z, m.name, zip.Deflate, []byte(m.body)); err != nil {
			return nil, err
		}
	}
	for i := range jarClasses * (1 + n%4) {
		if err := addMember(z, fmt.Sprintf("org/example/l%03d/Class%03d.class", n, i), zip.Deflate, c.class()); err != nil {
			return nil, err
		}
	}
	err := z.Close() // before the bytes are taken: it writes the directory
	return b.Bytes(), err
}

func addMember(z *zip.Writer, name string, method uint16, body []byte) error {
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: imagetest.Epoch})
	if err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

// bigLayer is 2 GB of files of every size, four of ten bytes noise, the rest text.
func bigLayer(dir string, _ options) ([]storedLayer, error) {
	c := newContent("one-2g-layer")
	return one(dir, func(t *tar.Writer) error {
		var sum int64
		for i := 0; sum < bigBytes; i++ {
			size, noise := c.fileKind()
			name, mode, write := fmt.Sprintf("data/%02x/%06d.txt", i%256, i), int64(0o644), c.writeText
			if noise {
				name, write = fmt.Sprintf("data/%02x/%06d.bin", i%256, i), c.writeNoise
			}
			if i%16 == 0 {
				mode = 0o755
			}
			if err := t.WriteHeader(header(name, mode, size)); err != nil {
				return err
			}
			if err := write(t, size); err != nil {
				return err
			}
			sum += size
		}
		return nil
	})
}

// fileKind draws a file: most are small, most bytes are in large ones.
func (c *content) fileKind() (size int64, noise bool) {
	limit := 64 << 10
	switch n := c.pick.IntN(1000); {
	case n >= 990:
		limit = 64 << 20
	case n >= 900:
		limit = 4 << 20
	}
	return 1 + c.pick.Int64N(int64(limit)), c.pick.IntN(10) < 4
}

// manyLayers is a small base and 73 layers that each add, change and remove a little.
func manyLayers(dir string, _ options) ([]storedLayer, error) {
	c := newContent("layers-74")
	base := imagetest.DebianLike("12", imagetest.Package{Name: "libc6", Version: "2.36-9+deb12u9", Source: "glibc"})
	all := make([]storedLayer, 0, layerCount)
	for i := range layerCount {
		var text bytes.Buffer
		_ = c.writeText(&text, 64<<10) // a buffer takes everything
		files := []imagetest.File{
			imagetest.Text(fmt.Sprintf("opt/step-%02d/notes.txt", i), text.String()),
			imagetest.Text("opt/last", fmt.Sprint(i)),
		}
		files = append(files, imagetest.NodeApp("app", imagetest.Package{Name: fmt.Sprintf("step-%02d", i), Version: "1.0.0"})...)
		switch {
		case i == 0:
			files = append(base, files...)
		case i%3 == 0:
			files = append(files, imagetest.Whiteout(fmt.Sprintf("opt/step-%02d/notes.txt", i-1)))
		}
		l, err := addLayer(dir, func(w io.Writer) error { _, err := w.Write(imagetest.Layer(files...)); return err })
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// goProgram is the source of the large binary: it uses modules that the worker uses too, so they are in the module cache, and
// holds a file of 216 MB.
const goProgram = `package main

import (
	_ "embed"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
)

//go:embed data.bin
var data string

func main() {
	fmt.Println(len(data), data[len(data)/2], grpc.Version, zstd.SpeedDefault, remote.DefaultTransport)
}
`

// goBinary is a real Go program, with its build information, of 230 MB.
func goBinary(dir string, o options) ([]storedLayer, error) {
	source := dir + ".src"
	if err := writeProgram(source, o.module); err != nil {
		return nil, err
	}
	defer os.RemoveAll(source)
	binary := filepath.Join(source, "service")
	cmd := exec.Command("go", "build", "-mod=mod", "-trimpath", "-buildvcs=false", "-o", binary, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the large program from the module cache: %w: %s", err, out)
	}
	return one(dir, func(t *tar.Writer) error { return addFile(t, "usr/local/bin/service", binary) })
}

func addFile(t *tar.Writer, name, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(header(name, 0o755, info.Size())); err != nil {
		return err
	}
	_, err = io.Copy(t, in)
	return err
}

// writeProgram writes a module: goProgram, the worker's requirements without our own modules, and the data.
func writeProgram(dir, module string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	requirements, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return err
	}
	var mod strings.Builder
	mod.WriteString("module example.org/service\n")
	for line := range strings.Lines(string(requirements)) {
		if !strings.Contains(line, "plimsoll") {
			mod.WriteString(line)
		}
	}
	for name, body := range map[string]string{"go.mod": mod.String(), "go.sum": string(sums), "main.go": goProgram} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			return err
		}
	}
	return writeData(filepath.Join(dir, "data.bin"))
}

// writeData is half noise and half text, a MB at a time.
func writeData(file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	c := newContent("go-binary-230m")
	for n := 0; n < binaryData && err == nil; n += 2 << 20 {
		if err = c.writeNoise(out, 1<<20); err == nil {
			err = c.writeText(out, 1<<20)
		}
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}
