using System.Buffers.Binary;
using Backup.LocalStack.SampleData.Fits;

namespace Backup.LocalStack.SampleData;

/// <summary>An observation archive: FITS images of three number types and catalogues as binary tables.</summary>
internal static class FitsArchive
{
    private const ulong Seed = 0xF175;
    private const int RawExposures = 4;
    private const int ReducedImages = 2;
    private const int DensityCubes = 1;
    private const int Catalogues = 2;
    private const int CatalogueRows = 60_000;

    /// <summary>Writes the archive; the same bytes on every machine.</summary>
    public static void Create(string folder)
    {
        for (var i = 0; i < RawExposures; i++)
        {
            Write(Path.Combine(folder, "raw", $"2026-03-{i + 1:00}", $"exposure-{i:0000}.fits"), f => RawExposure(f, new SeededRandom(Seed + (ulong)i), i));
        }

        for (var i = 0; i < ReducedImages; i++)
        {
            Write(Path.Combine(folder, "reduced", $"stack-{i:000}.fits"), f => ReducedImage(f, new SeededRandom(Seed + 100 + (ulong)i), i));
        }

        for (var i = 0; i < DensityCubes; i++)
        {
            Write(Path.Combine(folder, "products", $"density-{i:000}.fits"), f => DensityCube(f, new SeededRandom(Seed + 200 + (ulong)i), i));
        }

        for (var i = 0; i < Catalogues; i++)
        {
            Write(Path.Combine(folder, "products", $"voids-{i:000}.fits"), f => Catalogue(f, new SeededRandom(Seed + 300 + (ulong)i)));
        }
    }

    /// <summary>16-bit sky with stars, as a camera delivers it: unsigned counts by BZERO.</summary>
    private static void RawExposure(FitsFile file, SeededRandom random, int number)
    {
        const int Width = 2048, Height = 2048, Stars = 900, Half = 6;
        var counts = new float[Width * Height];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = (float)(1200 + 18 * random.NextNoise());
        }

        for (var star = 0; star < Stars; star++)
        {
            var (x, y, flux, width) = (Half + random.Below(Width - 2 * Half), Half + random.Below(Height - 2 * Half), 50_000 * Math.Pow(random.NextDouble(), 4), random.Between(1.2, 2.2));
            for (var dy = -Half; dy <= Half; dy++)
            {
                for (var dx = -Half; dx <= Half; dx++)
                {
                    counts[(y + dy) * Width + x + dx] += (float)(flux * Math.Exp(-(dx * dx + dy * dy) / (2 * width * width)));
                }
            }
        }

        var data = new byte[counts.Length * sizeof(short)];
        for (var i = 0; i < counts.Length; i++)
        {
            BinaryPrimitives.WriteInt16BigEndian(data.AsSpan(i * sizeof(short)), (short)(Math.Clamp(counts[i], 0, 65_535) - 32_768));
        }

        file.Write(Primary(16, Width, Height).Add("BZERO", 32768.0, "unsigned 16-bit counts").Add("BSCALE", 1.0).Add(Pointing(number)).Add("EXPTIME", 900.0, "seconds"), data);
    }

    /// <summary>A calibrated image of 32-bit floats with a mask extension of bytes.</summary>
    private static void ReducedImage(FitsFile file, SeededRandom random, int number)
    {
        const int Width = 1536, Height = 1536;
        var data = new byte[Width * Height * sizeof(float)];
        for (var i = 0; i < Width * Height; i++)
        {
            var (x, y) = (i % Width - Width / 2, i / Width - Height / 2);
            BinaryPrimitives.WriteSingleBigEndian(data.AsSpan(i * sizeof(float)), (float)(0.02 * Math.Exp(-(x * x + y * y) / 4e5) + 0.001 * random.NextNoise()));
        }

        file.Write(Primary(-32, Width, Height).Add("EXTEND", true).Add("BUNIT", "Jy/beam").Add(Pointing(number)), data);
        var mask = new byte[Width * Height];
        for (var bad = 0; bad < 2_000; bad++)
        {
            mask[random.Below(mask.Length)] = 1;
        }

        file.Write(new FitsHeader().Add("XTENSION", "IMAGE").Add("BITPIX", 8).Add("NAXIS", 2).Add("NAXIS1", Width).Add("NAXIS2", Height)
            .Add("PCOUNT", 0).Add("GCOUNT", 1).Add("EXTNAME", "MASK"), mask);
    }

    /// <summary>A cube of 64-bit floats: the smoothed density contrast of a simulation box.</summary>
    private static void DensityCube(FitsFile file, SeededRandom random, int number)
    {
        const int Side = 96;
        var data = new byte[Side * Side * Side * sizeof(double)];
        for (var i = 0; i < Side * Side * Side; i++)
        {
            var (x, y, z) = (i % Side, i / Side % Side, i / (Side * Side));
            var wave = Math.Sin(x * 0.21 + number) * Math.Cos(y * 0.17) * Math.Sin(z * 0.13 + 1);
            BinaryPrimitives.WriteDoubleBigEndian(data.AsSpan(i * sizeof(double)), wave + 0.05 * random.NextNoise());
        }

        file.Write(Primary(-64, Side, Side, Side).Add("BUNIT", "delta").Add("BOXSIZE", 500.0, "Mpc/h"), data);
    }

    /// <summary>An empty primary HDU and a binary table of voids with text, integer and floating columns.</summary>
    private static void Catalogue(FitsFile file, SeededRandom random)
    {
        const int NameBytes = 12, RowBytes = NameBytes + 8 + 8 + 8 + 4 + 4 + 4;
        file.Write(Primary(8).Add("EXTEND", true), []);
        var rows = new byte[CatalogueRows * RowBytes];
        for (var row = 0; row < CatalogueRows; row++)
        {
            var at = rows.AsSpan(row * RowBytes, RowBytes);
            System.Text.Encoding.ASCII.GetBytes($"VOID{row:00000000}", at);
            BinaryPrimitives.WriteInt64BigEndian(at[NameBytes..], row);
            BinaryPrimitives.WriteDoubleBigEndian(at[(NameBytes + 8)..], random.Between(0, 360));
            BinaryPrimitives.WriteDoubleBigEndian(at[(NameBytes + 16)..], random.Between(-30, 80));
            BinaryPrimitives.WriteSingleBigEndian(at[(NameBytes + 24)..], (float)random.Between(0.01, 1.6));
            BinaryPrimitives.WriteSingleBigEndian(at[(NameBytes + 28)..], (float)random.Between(8, 60));
            BinaryPrimitives.WriteInt32BigEndian(at[(NameBytes + 32)..], random.Below(400));
        }

        var header = new FitsHeader().Add("XTENSION", "BINTABLE", "binary table extension").Add("BITPIX", 8).Add("NAXIS", 2)
            .Add("NAXIS1", RowBytes, "bytes per row").Add("NAXIS2", CatalogueRows, "rows").Add("PCOUNT", 0).Add("GCOUNT", 1).Add("TFIELDS", 7);
        (string Name, string Format, string Unit)[] columns =
            [("NAME", $"{NameBytes}A", ""), ("VOID_ID", "1K", ""), ("RA", "1D", "deg"), ("DEC", "1D", "deg"), ("REDSHIFT", "1E", ""), ("RADIUS", "1E", "Mpc/h"), ("MEMBERS", "1J", "")];
        for (var i = 0; i < columns.Length; i++)
        {
            header.Add($"TTYPE{i + 1}", columns[i].Name).Add($"TFORM{i + 1}", columns[i].Format);
            if (columns[i].Unit.Length > 0)
            {
                header.Add($"TUNIT{i + 1}", columns[i].Unit);
            }
        }

        file.Write(header.Add("EXTNAME", "VOIDS"), rows);
    }

    private static FitsHeader Primary(int bitsPerPixel, params ReadOnlySpan<int> axes)
    {
        var header = new FitsHeader().Add("SIMPLE", true, "conforms to the FITS standard").Add("BITPIX", bitsPerPixel).Add("NAXIS", axes.Length);
        for (var i = 0; i < axes.Length; i++)
        {
            header.Add($"NAXIS{i + 1}", axes[i]);
        }

        return header;
    }

    private static FitsHeader Pointing(int number) => new FitsHeader()
        .Add("OBJECT", $"VOID FIELD {number}").Add("TELESCOP", "SAMPLE 4-m").Add("DATE-OBS", $"2026-03-{number % 28 + 1:00}T02:00:00")
        .Add("CTYPE1", "RA---TAN").Add("CTYPE2", "DEC--TAN").Add("CRVAL1", 150.0 + number).Add("CRVAL2", 2.2).Add("CRPIX1", 1024.5).Add("CRPIX2", 1024.5)
        .Add("CDELT1", -7.2e-5).Add("CDELT2", 7.2e-5);

    private static void Write(string path, Action<FitsFile> write)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        write(new FitsFile(stream));
    }
}
