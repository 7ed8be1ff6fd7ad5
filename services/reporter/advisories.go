package reporter

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/advisory"
)

// addOwn keeps our own records and says so in the change log.
func addOwn(ctx context.Context, store *blob.Store, file []byte, actor string, now time.Time) ([]string, error) {
	ids, err := advisory.AddOwn(ctx, store, file, actor, now)
	if err != nil {
		return nil, err
	}
	return ids, note(ctx, store, now, actor, plimsoll.StreamAdvisories, "advisories add "+strings.Join(ids, " "))
}

// AddAdvisories keeps our own advisory records in a bucket, without a running reporter, and makes the generation that holds
// them. file is one OSV record with an id "PLIM-…", or a list of them; cache is the folder of compiled advisories, which may be
// empty. An error that wraps [plimsoll.ErrInvalid] says what is wrong with the file, of which nothing is kept then.
func AddAdvisories(ctx context.Context, bucket blob.Config, cache string, file []byte, actor string) (ids []string, generation string, err error) {
	store, err := blob.Open(ctx, bucket)
	if err != nil {
		return nil, "", err
	}
	defer store.Close()
	if ids, err = addOwn(ctx, store, file, actor, time.Now()); err != nil {
		return nil, "", err
	}
	u := advisory.NewUpdater(store, advisory.None(plimsoll.ErrNotFound), advisory.Options{Cache: advisory.Cache(cache)})
	x, _, err := u.Own(ctx)
	return ids, x.Generation().ID, err
}

// BundleAdvisories writes every feed that the configuration names into one signed file. key is the file of an Ed25519 key in
// PEM. date is that of the newest record in it.
func BundleAdvisories(ctx context.Context, c Config, w io.Writer, key string) (date time.Time, err error) {
	private, err := advisory.PrivateKey(key)
	if err != nil {
		return date, fmt.Errorf("--key: %w", err)
	}
	source, err := c.advisorySource()
	if err != nil {
		return date, err
	}
	return advisory.WriteBundle(ctx, w, source, c.enrichment(), private, time.Now())
}

// NewBundleKey makes the two halves of a key for bundles, in PEM.
func NewBundleKey() (private, public []byte, err error) { return advisory.NewKey() }
