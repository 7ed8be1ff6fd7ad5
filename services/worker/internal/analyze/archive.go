package analyze

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/google/osv-scalibr/extractor/filesystem"

	"github.com/plimsoll/plimsoll"
)

// python reads the metadata of wheels and eggs, unpacked or as archives. Of an archive the metadata alone is opened, within the
// bounds of jars.
type python struct{ extractor filesystem.Extractor }

func (x python) read(ctx context.Context, f *file) (found []plimsoll.Package, reason string) {
	if ext := path.Ext(f.path); ext != ".egg" && ext != ".whl" {
		return plain(x).read(ctx, f)
	}
	d, err := openZip(f.data)
	if err != nil {
		return nil, reasonBroken
	}
	u := unpacker{most: maxUnpacked}
	members := 0
	for m, err := range d.members() {
		if members++; members > maxMembers {
			return found, fmt.Sprintf("limit reached: archive of more than %d members", maxMembers)
		}
		if err != nil {
			return found, reasonBroken
		}
		if !strings.HasSuffix(m.name, "EGG-INFO/PKG-INFO") && !strings.HasSuffix(m.name, ".dist-info/METADATA") {
			continue
		}
		b, err := u.unpack(d, &m, nil, maxManifest)
		if err != nil {
			return found, reasonBroken
		}
		one := *f
		one.path, one.data = path.Join(f.path, m.name), b
		ps, why := plain(x).read(ctx, &one)
		if found = append(found, ps...); why != "" {
			reason = why
		}
	}
	return found, reason
}

// gems reads specifications of installed gems: each names one.
type gems struct{ extractor filesystem.Extractor }

func (x gems) read(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	found, reason := plain(x).read(ctx, f)
	if len(found) == 0 {
		reason = reasonBroken // the extractor passes over a specification that it cannot read
	}
	return found, reason
}
