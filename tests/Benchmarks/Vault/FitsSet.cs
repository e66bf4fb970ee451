using System.Buffers.Binary;
using System.Text;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.SampleData.Fits;

namespace Backup.Benchmarks.Vault;

/// <summary>
/// A FITS data set for <c>compare-vault.sh</c>: the same bytes at every run. <c>images/</c> has exposures as a camera delivers them (16-bit
/// counts) and calibrated ones (32-bit floats on a sky background); <c>tables/</c> has redshift catalogues laid out as surveys publish them and
/// void catalogues. All values have the noise that measured values have: nothing is rounded to make it compressible.
/// </summary>
internal static class FitsSet
{
    private const ulong Seed = 0xDE51;
    private const int Exposures = 16, Calibrated = 8, Side = 2048, RedshiftCatalogues = 3, GalaxiesEach = 250_000, VoidCatalogues = 2, VoidsEach = 150_000;

    /// <summary>Columns of a redshift catalogue: names and TFORM codes.</summary>
    private static readonly (string Name, string Form)[] GalaxyColumns =
    [
        ("TARGETID", "1K"), ("SURVEY", "7A"), ("PROGRAM", "6A"), ("HEALPIX", "1J"), ("Z", "1D"), ("ZERR", "1D"), ("ZWARN", "1K"), ("CHI2", "1D"), ("DELTACHI2", "1D"),
        ("SPECTYPE", "6A"), ("SUBTYPE", "20A"), ("TARGET_RA", "1D"), ("TARGET_DEC", "1D"), ("PMRA", "1E"), ("PMDEC", "1E"), ("FLUX_G", "1E"), ("FLUX_R", "1E"), ("FLUX_Z", "1E"),
        ("FLUX_IVAR_G", "1E"), ("FLUX_IVAR_R", "1E"), ("FLUX_IVAR_Z", "1E"), ("EBV", "1E"), ("DESI_TARGET", "1K"), ("BGS_TARGET", "1K"), ("COADD_NUMEXP", "1I"), ("COADD_EXPTIME", "1E"),
        ("TSNR2_LRG", "1E"), ("ZCAT_PRIMARY", "1L"),
    ];

    private static readonly (string Name, string Form)[] VoidColumns =
        [("NAME", "12A"), ("VOID_ID", "1K"), ("RA", "1D"), ("DEC", "1D"), ("REDSHIFT", "1E"), ("RADIUS", "1E"), ("DENSITY", "1E"), ("MEMBERS", "1J")];

    /// <summary>Writes the set into a folder that does not exist yet.</summary>
    internal static int Run(string[] args)
    {
        if (args.Length != 1 || Path.Exists(args[0]))
        {
            Console.Error.WriteLine("usage: fits DIR   (DIR must not exist yet; it takes about 480 MB)");
            return 2;
        }

        for (var i = 0; i < Exposures; i++) Write(args[0], $"images/raw/exposure-{i:0000}.fits", i, Exposure);
        for (var i = 0; i < Calibrated; i++) Write(args[0], $"images/calibrated/frame-{i:0000}.fits", 100 + i, CalibratedImage);
        for (var i = 0; i < RedshiftCatalogues; i++) Write(args[0], $"tables/zcatalog-{i:000}.fits", 200 + i, RedshiftCatalogue);
        for (var i = 0; i < VoidCatalogues; i++) Write(args[0], $"tables/voids-{i:000}.fits", 300 + i, VoidCatalogue);
        return 0;
    }

    private static void Write(string folder, string name, int number, Action<FitsFile, SeededRandom, int> write)
    {
        var path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        write(new FitsFile(stream), new SeededRandom(Seed + (ulong)number), number);
    }

    private static void Exposure(FitsFile file, SeededRandom random, int number)
    {
        var counts = Sky(random, 1200, 18, 900);
        var data = new byte[counts.Length * sizeof(short)];
        for (var i = 0; i < counts.Length; i++) BinaryPrimitives.WriteInt16BigEndian(data.AsSpan(i * sizeof(short)), (short)(Math.Clamp(counts[i], 0, 65_535) - 32_768));
        file.Write(Image(16, number).Add("BZERO", 32768.0, "unsigned 16-bit counts").Add("BSCALE", 1.0), data);
    }

    private static void CalibratedImage(FitsFile file, SeededRandom random, int number)
    {
        var flux = Sky(random, 0.31, 0.004, 2500);
        var data = new byte[flux.Length * sizeof(float)];
        for (var i = 0; i < flux.Length; i++) BinaryPrimitives.WriteSingleBigEndian(data.AsSpan(i * sizeof(float)), flux[i]);
        file.Write(Image(-32, number).Add("BUNIT", "nanomaggy"), data);
    }

    /// <summary>A level with a slight gradient, noise and sources.</summary>
    private static float[] Sky(SeededRandom random, double level, double noise, int sources)
    {
        const int Half = 8;
        var pixels = new float[Side * Side];
        for (var i = 0; i < pixels.Length; i++) pixels[i] = (float)((level * (1 + (2e-6 * (i % Side)) + (3e-6 * (i / Side)))) + (noise * random.NextNoise()));
        for (var source = 0; source < sources; source++)
        {
            var (x, y) = (Half + random.Below(Side - (2 * Half)), Half + random.Below(Side - (2 * Half)));
            var (flux, width) = (40 * level * Math.Pow(random.NextDouble(), 4), random.Between(1.2, 2.6));
            for (var dy = -Half; dy <= Half; dy++)
                for (var dx = -Half; dx <= Half; dx++)
                    pixels[((y + dy) * Side) + x + dx] += (float)(flux * Math.Exp(-((dx * dx) + (dy * dy)) / (2 * width * width)));
        }

        return pixels;
    }

    private static void RedshiftCatalogue(FitsFile file, SeededRandom random, int number) => Table(file, "ZCATALOG", GalaxyColumns, GalaxiesEach, (row, cells) =>
    {
        // Sorted by sky cell, as catalogues are: neighbours in the table are neighbours on the sky.
        var pixel = (int)(((long)number * 1000) + (row / 180));
        var isStar = random.Below(100) < 4;
        var redshift = isStar ? 2e-4 * random.NextNoise() : 0.05 + (1.4 * Math.Sqrt(random.NextDouble()));
        var flux = Math.Pow(10, random.Between(0.1, 2.2));
        cells.Int64(39_627_000_000_000_000 + ((long)pixel << 22) + random.Below(1 << 14)).Text("main", 7).Text(row % 5 == 0 ? "bright" : "dark", 6).Int32(pixel)
            .Double(redshift).Double(1e-5 * (1 + Math.Abs(3 * random.NextNoise()))).Int64(random.Below(50) == 0 ? 4 : 0).Double(7800 + (130 * random.NextNoise())).Double(Math.Pow(10, random.Between(1, 3.5)))
            .Text(isStar ? "STAR" : "GALAXY", 6).Text(isStar ? "G" : "", 20).Double(150 + (0.04 * (pixel % 1000)) + random.Between(0, 0.4)).Double(2 + random.Between(-0.2, 0.2))
            .Single(isStar ? 5 * random.NextNoise() : 0).Single(isStar ? 5 * random.NextNoise() : 0).Single(flux).Single(flux * random.Between(1.2, 2)).Single(flux * random.Between(1.5, 3))
            .Single(random.Between(300, 900)).Single(random.Between(100, 400)).Single(random.Between(20, 90)).Single(random.Between(0.01, 0.08))
            .Int64(isStar ? 2_305_843_009_213_693_952 : 1L << random.Below(3)).Int64(row % 5 == 0 ? 514 : 0).Int16(1 + random.Below(4)).Single(900 + (60 * random.NextNoise())).Single(random.Between(60, 140))
            .Text(random.Below(30) == 0 ? "F" : "T", 1);
    });

    private static void VoidCatalogue(FitsFile file, SeededRandom random, int number) => Table(file, "VOIDS", VoidColumns, VoidsEach, (row, cells) => cells
        .Text($"VOID{row:00000000}", 12).Int64(row).Double(random.Between(0, 360)).Double(random.Between(-30, 80)).Single(random.Between(0.01, 1.6)).Single(random.Between(8, 60))
        .Single(random.Between(-0.95, -0.6)).Int32(random.Below(400)));

    private static void Table(FitsFile file, string name, (string Name, string Form)[] columns, int rows, Action<int, Cells> write)
    {
        var rowBytes = columns.Sum(column => Bytes(column.Form));
        var cells = new Cells(new byte[(long)rows * rowBytes]);
        for (var row = 0; row < rows; row++) write(row, cells);
        file.Write(new FitsHeader().Add("SIMPLE", true).Add("BITPIX", 8).Add("NAXIS", 0).Add("EXTEND", true), []);
        var header = new FitsHeader().Add("XTENSION", "BINTABLE").Add("BITPIX", 8).Add("NAXIS", 2).Add("NAXIS1", rowBytes).Add("NAXIS2", rows)
            .Add("PCOUNT", 0).Add("GCOUNT", 1).Add("TFIELDS", columns.Length).Add("EXTNAME", name);
        for (var i = 0; i < columns.Length; i++) header.Add($"TTYPE{i + 1}", columns[i].Name).Add($"TFORM{i + 1}", columns[i].Form);
        file.Write(header, cells.Written);
    }

    private static int Bytes(string form) => form[^1] switch
    {
        'K' or 'D' => 8,
        'J' or 'E' => 4,
        'I' => 2,
        'L' => 1,
        'A' => int.Parse(form[..^1], System.Globalization.CultureInfo.InvariantCulture),
        _ => throw new ArgumentException($"No such column: {form}.", nameof(form)),
    };

    private static FitsHeader Image(int bitsPerValue, int number) => new FitsHeader()
        .Add("SIMPLE", true).Add("BITPIX", bitsPerValue).Add("NAXIS", 2).Add("NAXIS1", Side).Add("NAXIS2", Side).Add("OBJECT", $"VOID FIELD {number}").Add("EXPTIME", 900.0);

    /// <summary>Table cells one after another, big-endian.</summary>
    private sealed class Cells(byte[] content)
    {
        private int _at;

        internal ReadOnlySpan<byte> Written => content.AsSpan(0, _at);

        internal Cells Int64(long value)
        {
            BinaryPrimitives.WriteInt64BigEndian(Next(8), value);
            return this;
        }

        internal Cells Int32(int value)
        {
            BinaryPrimitives.WriteInt32BigEndian(Next(4), value);
            return this;
        }

        internal Cells Int16(int value)
        {
            BinaryPrimitives.WriteInt16BigEndian(Next(2), (short)value);
            return this;
        }

        internal Cells Double(double value)
        {
            BinaryPrimitives.WriteDoubleBigEndian(Next(8), value);
            return this;
        }

        internal Cells Single(double value)
        {
            BinaryPrimitives.WriteSingleBigEndian(Next(4), (float)value);
            return this;
        }

        internal Cells Text(string text, int bytes)
        {
            var cell = Next(bytes);
            cell.Fill((byte)' ');
            Encoding.ASCII.GetBytes(text, cell);
            return this;
        }

        private Span<byte> Next(int bytes)
        {
            _at += bytes;
            return content.AsSpan(_at - bytes, bytes);
        }
    }
}
