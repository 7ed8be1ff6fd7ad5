package export

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// keepDays is how many days' files are kept: somewhat more than a year, as the generations that they were formed by.
const keepDays = 400

// Tidy removes the files of days that are not kept any more; removed counts files. What is no day is not ours to remove.
func Tidy(ctx context.Context, store *blob.Store, now time.Time) (removed int, err error) {
	var old []string
	for name, err := range store.Folders(ctx, blob.PrefixPosture) {
		if err != nil {
			return 0, fmt.Errorf("list exports: %w", err)
		}
		day, err := time.Parse("dt="+time.DateOnly, name)
		if err == nil && now.Sub(day) > (keepDays+1)*24*time.Hour {
			old = append(old, blob.PrefixPosture+name+"/")
		}
	}
	for _, folder := range old {
		var keys []string
		for e, err := range store.List(ctx, folder, "") {
			if err != nil {
				return removed, fmt.Errorf("list exports: %w", err)
			}
			keys = append(keys, e.Key)
		}
		for _, key := range keys {
			if !strings.HasSuffix(key, ".parquet") {
				continue
			}
			if err := store.Delete(ctx, key); err != nil {
				return removed, fmt.Errorf("remove an old export: %w", err)
			}
			removed++
		}
	}
	return removed, nil
}
