package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Generations are the generations of advisories that reports name: they are kept as long as the reports. With an error the
// set is not whole.
func Generations(ctx context.Context, store *blob.Store) (map[string]bool, error) {
	out := map[string]bool{}
	for period, err := range store.Folders(ctx, blob.PrefixReports) {
		if err != nil {
			return nil, fmt.Errorf("list reports: %w", err)
		}
		o, err := store.Get(ctx, key(period, modelName))
		if errors.Is(err, plimsoll.ErrNotFound) {
			continue // being made: it names a generation of this week
		}
		var model struct {
			Method struct {
				Generation string `json:"generation"`
			} `json:"method_and_data"`
		}
		if err == nil {
			err = json.Unmarshal(o.Bytes, &model)
		}
		if err != nil {
			return nil, fmt.Errorf("report %s: %w", period, err)
		}
		out[model.Method.Generation] = true
	}
	return out, nil
}
