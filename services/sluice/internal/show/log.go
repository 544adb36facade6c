package show

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger writes to w: "text" for people, "json" for programs. quiet leaves out all but warnings and errors.
func NewLogger(w io.Writer, format string, quiet, colour bool) (*zap.Logger, error) {
	level := zapcore.InfoLevel
	if quiet {
		level = zapcore.WarnLevel
	}
	cfg := zap.NewProductionEncoderConfig()
	var enc zapcore.Encoder
	switch format {
	case "json":
		cfg.EncodeTime = func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
			enc.AppendString(t.UTC().Format(time.RFC3339Nano))
		}
		enc = zapcore.NewJSONEncoder(cfg)
	case "text":
		cfg.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		cfg.EncodeLevel, cfg.EncodeDuration = zapcore.CapitalLevelEncoder, zapcore.StringDurationEncoder
		if colour {
			cfg.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
		cfg.ConsoleSeparator = "  "
		enc = zapcore.NewConsoleEncoder(cfg)
	default:
		return nil, fmt.Errorf("unknown log format %q", format)
	}
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}
