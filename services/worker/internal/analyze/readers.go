package analyze

import (
	"context"
	"fmt"
	"math"
	"path"
	"strings"
	"sync"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/dotnet/depsjson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/archive"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagejson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagelockjson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/wheelegg"
	"github.com/google/osv-scalibr/extractor/filesystem/language/ruby/gemspec"
	"github.com/google/osv-scalibr/extractor/filesystem/os/apk"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	"github.com/google/osv-scalibr/log"

	"github.com/plimsoll/plimsoll"
)

// The readers are those of osv-scanner's image scan (its preset "artifact": what is installed, not what a lock file wishes),
// so that both find the same packages in the same image, with these differences:
//
//   - rpm, Chisel manifests: read by our own code (rpm.go, chisel.go): the extractors want a path on a disk, or inflate without
//     a bound. rpm's module labels are kept.
//   - Homebrew: left out; its packages have no OSV ecosystem.
//   - installed npm packages without npm's hidden lock file (yarn, pnpm, global ones), installed gems, .NET's deps.json: added,
//     since an image that holds them would else look clean.
//
// Further formats of installed packages that nothing here reads are listed in unread.go: they make the image partial.
const (
	NameDpkg      = dpkg.Name
	NameApk       = apk.Name
	NameRPM       = "os/rpm"
	NameChisel    = "os/chisel"
	NameGo        = "go/binary"
	NameRust      = "rust/cargoauditable"
	NameJava      = archive.Name
	NamePython    = wheelegg.Name
	NameNPMLock   = "javascript/nodemodules"
	NameNPM       = packagejson.Name
	NameGem       = gemspec.Name
	NameDotnet    = depsjson.Name
	NameUnread    = "unread"
	NameBinary    = "binary" // reads both kinds; its packages say which
	hiddenLock    = ".package-lock.json"
	modulesFolder = "node_modules"
)

// readerNames lists the readers for the configuration hash.
func readerNames() []string {
	return []string{NameDpkg, NameApk, NameRPM, NameChisel, NameGo, NameRust, NameJava, NamePython, NameNPMLock, NameNPM, NameGem, NameDotnet, NameUnread, NameRuntime, NameComposer, NameConda, NamePacman, NamePortage}
}

// newReaders makes the readers in the order in which they are asked. Extractors keep no state, but making them is cheap and
// spares the thought.
func newReaders() ([]reader, error) {
	Quiet()
	// The size bounds of the extractors themselves are lifted: a file beyond them would be passed over without a word.
	unbounded := &cpb.PluginConfig{MaxFileSizeBytes: math.MaxInt64}
	made := map[string]filesystem.Extractor{}
	for name, make := range map[string]func(*cpb.PluginConfig) (filesystem.Extractor, error){
		NameDpkg: dpkg.New, NameApk: apk.New, NamePython: wheelegg.New, NameNPMLock: packagelockjson.New,
		NameNPM: packagejson.New, NameGem: gemspec.New, NameDotnet: depsjson.New,
	} {
		e, err := make(unbounded)
		if err != nil {
			return nil, fmt.Errorf("extractor %s: %w", name, err)
		}
		made[name] = e
	}
	bins, err := newBinaries()
	if err != nil {
		return nil, err
	}
	asks := func(name string) func(*file) bool {
		return func(f *file) bool { return made[name].FileRequired(f) }
	}
	gem := asks(NameGem)
	return append(installedReaders(), []reader{
		{name: NameDpkg, database: true, named: true, limit: maxDatabase, wants: asks(NameDpkg), read: stanzas{made[NameDpkg], judgeDpkg}.read},
		{name: NameApk, database: true, named: true, limit: maxDatabase, wants: asks(NameApk), read: stanzas{made[NameApk], judgeApk}.read},
		{name: NameRPM, database: true, named: true, limit: maxDatabase, wants: wantsRPM, read: readRPM},
		{name: NameChisel, database: true, named: true, limit: maxFile, wants: wantsChisel, read: readChisel},
		{name: NamePython, named: true, limit: maxFile, wants: asks(NamePython), read: python{made[NamePython]}.read},
		{name: NameNPMLock, named: true, limit: maxFile, wants: isHiddenLock, read: plain{made[NameNPMLock]}.read},
		{name: NameNPM, named: true, limit: maxFile, wants: isInstalledNPM, read: plain{made[NameNPM]}.read},
		{name: NameGem, named: true, limit: maxFile, wants: func(f *file) bool { return isInstalledGem(f) && gem(f) }, read: gems{made[NameGem]}.read},
		{name: NameDotnet, named: true, limit: maxFile, wants: asks(NameDotnet), read: dotnet{made[NameDotnet]}.read},
		{name: NameJava, named: true, limit: maxFile, wants: func(f *file) bool { return archive.IsArchive(f.path) }, read: readJar},
		{name: NameUnread, named: true, limit: 0, wants: isUnread},
		{name: NameBinary, streams: true, limit: maxFile, wants: wantsBinary, read: bins.read},
	}...), nil
}

// plain is an extractor whose errors are the only thing to check.
type plain struct{ extractor filesystem.Extractor }

func (x plain) read(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	ps, err := scan(ctx, x.extractor, f)
	if err != nil {
		return convertAll(ps), reasonBroken
	}
	return convertAll(ps), ""
}

// reasonBroken stands for any error of an extractor: their texts hold paths and pieces of the file.
const reasonBroken = "broken file"

// isHiddenLock tells npm's list of what it installed: node_modules/.package-lock.json.
func isHiddenLock(f *file) bool {
	dir, base := path.Split(f.path)
	return base == hiddenLock && path.Base(dir) == modulesFolder
}

// isInstalledNPM tells the package.json of an installed package: node_modules/<name>/ or node_modules/@<scope>/<name>/, or the same
// below usr/share/nodejs, where Debian has them. Others belong to tests and examples within packages. Assembly drops those that a hidden lock file covers.
func isInstalledNPM(f *file) bool {
	parts := strings.Split(f.path, "/")
	n := len(parts)
	if parts[n-1] != "package.json" {
		return false
	}
	if debian, ok := strings.CutPrefix(f.path, "usr/share/nodejs/"); ok && !strings.Contains(debian, modulesFolder+"/") {
		return n == 5 && parts[3][0] != '@' || n == 6 && parts[3][0] == '@'
	}
	return n >= 3 && parts[n-3] == modulesFolder && !strings.HasPrefix(parts[n-2], ".") ||
		n >= 4 && parts[n-4] == modulesFolder && strings.HasPrefix(parts[n-3], "@")
}

// isInstalledGem tells the specification of an installed gem from the one that lies among a gem's sources.
func isInstalledGem(f *file) bool {
	dir := path.Dir(f.path)
	return path.Base(dir) == "specifications" || path.Base(dir) == "default" && path.Base(path.Dir(dir)) == "specifications"
}

// Quiet silences osv-scalibr's logger, which writes names from images to standard error. What it would say is a partial source.
var Quiet = sync.OnceFunc(func() { log.SetLogger(silent{}) })

type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Error(...any)          {}
func (silent) Warnf(string, ...any)  {}
func (silent) Warn(...any)           {}
func (silent) Infof(string, ...any)  {}
func (silent) Info(...any)           {}
func (silent) Debugf(string, ...any) {}
func (silent) Debug(...any)          {}
