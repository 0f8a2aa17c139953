"""One true displacement and strain field, written as each correlation tool would write it.

The truth has canonical axes: rows of y ascending upwards, columns of x. Every writer returns the
file and what its user has to declare.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from strainprint.maps.gauge import strain_of_gradient

LOAD = {"loading_axis": "y", "loading_sense": "compression"}


@dataclass
class TrueField:
    """The truth, in pixels; ``pixel_mm`` is the size of a pixel."""

    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    valid: np.ndarray
    pixel_mm: float = 0.005

    def strain(self, measure: str = "green_lagrange") -> tuple[np.ndarray, ...]:
        """exx, eyy, exy (tensor)."""
        return strain_of_gradient(*self.gradient, measure=measure)

    @property
    def pixel_nm(self) -> float:
        return self.pixel_mm * 1e6

    def points(self, *, down: bool, by: str = "rows"):
        """Yield (row, column) of the truth in the order of a file, y growing down or up."""
        rows = range(len(self.y))[:: -1 if down else 1]
        if by == "rows":
            return [(j, i) for j in rows for i in range(len(self.x))]
        return [(j, i) for i in range(len(self.x)) for j in rows]


def true_field(
    *,
    columns: int = 13,
    rows: int = 9,
    step_x: int = 8,
    step_y: int = 8,
    stretch: float = 0.002,
    shear: float = 0.003,
    wave: float = 0.4,
    hole: tuple[float, float] | None = (0.3, 0.6),
) -> TrueField:
    """Uniform stretch and shear with a wave on it, and a round hole."""
    x, y = 20.0 + step_x * np.arange(columns), 40.0 + step_y * np.arange(rows)
    xx, yy = np.meshgrid(x, y)
    k = 2 * np.pi / (10 * max(step_x, step_y))
    phase = k * (xx + 0.7 * yy)
    u = stretch * xx + shear * yy + wave * np.sin(phase) + 0.25
    v = -0.5 * stretch * yy + 0.3 * wave * np.cos(phase) - 0.125
    gradient = (
        stretch + wave * k * np.cos(phase),
        shear + 0.7 * wave * k * np.cos(phase),
        -0.3 * wave * k * np.sin(phase),
        -0.5 * stretch - 0.3 * 0.7 * wave * k * np.sin(phase),
    )
    valid = np.ones(xx.shape, dtype=bool)
    if hole is not None:
        cx, cy = x[0] + hole[0] * np.ptp(x), y[0] + hole[1] * np.ptp(y)
        valid = np.hypot(xx - cx, yy - cy) > 1.6 * max(step_x, step_y)
    return TrueField(x, y, u, v, gradient, valid)


def _g(value: float) -> str:
    return f"{value:.9g}"


def _down(field: TrueField, j: int) -> float:
    """The y coordinate in pixels, counted down from the top."""
    return 1000.0 - field.y[j]


def davis8(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "davis8.txt"
    lines = [
        f"#DaVis 8.4.0 2D-vector 8 {len(field.y)} {len(field.x)} "
        '"" "pixel" "" "pixel" "displacement" "pixel"'
    ]
    for j, i in field.points(down=True):
        on = field.valid[j, i]
        u, v = (field.u[j, i], -field.v[j, i]) if on else (0.0, 0.0)
        lines.append("\t".join(map(_g, (field.x[i], _down(field, j), u, v))))
    path.write_text("\n".join(lines) + "\n")
    return path, {
        **LOAD,
        "pixel_size_nm": field.pixel_nm,
        "strain_measure": "green_lagrange",
        "recompute_window_points": 3,
    }


def davis10(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Millimetres, y up from negative half-integer pixels, named units."""
    path = folder / "davis10.txt"
    lines = [
        f"#DaVis 10.2.1 2C vector field 4 {len(field.y)} {len(field.x)} "
        '"x [mm]";"y [mm]";"dx [mm]";"dy [mm]"'
    ]
    for j, i in field.points(down=True):
        on = field.valid[j, i]
        mm = field.pixel_mm
        u, v = (field.u[j, i] * mm, field.v[j, i] * mm) if on else (0.0, 0.0)
        at = (field.x[i] - 60.5) * mm, (field.y[j] - 60.5) * mm
        lines.append("\t".join(map(_g, (*at, u, v))))
    path.write_text("\r\n".join(lines) + "\r\n", newline="")
    return path, {
        **LOAD,
        "y_axis": "up",
        "strain_measure": "green_lagrange",
        "recompute_window_points": 3,
    }


def davis10_csv(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "davis10.csv"
    exx, eyy, exy = field.strain()
    mm = field.pixel_mm
    lines = [
        "x[mm];y[mm];z[mm];x-displacement[mm];y-displacement[mm];z-displacement[mm];"
        "Transverse strain Exx - GL[S];Axial strain Eyy - GL[S];Shear strain Exy - GL[S]"
    ]
    for j, i in field.points(down=True):
        on = float(field.valid[j, i])
        values = (field.u[j, i] * mm, field.v[j, i] * mm, 0, exx[j, i], eyy[j, i], exy[j, i])
        at = (field.x[i] * mm, field.y[j] * mm, 0.0)
        lines.append(";".join(map(_g, (*at, *(on * value for value in values)))))
    path.write_bytes(("\n".join(lines) + "\n").encode("latin-1"))
    return path, {**LOAD, "y_axis": "up", "shear": "tensor"}


def vic2d(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Quoted names, blank lines between grid rows, sigma -1, shear in the pixel axes."""
    path = folder / "vic2d.csv"
    exx, eyy, exy = field.strain()
    lines = ['"x", "y", "u", "v", "sigma", "exx", "eyy", "exy", "e1"']
    for j in reversed(range(len(field.y))):
        for i in range(len(field.x)):
            on = field.valid[j, i]
            values = (field.u[j, i], -field.v[j, i], 0.01, exx[j, i], eyy[j, i], -exy[j, i], 0.0)
            # A failed point keeps a stale displacement.
            values = values if on else (7.0, 7.0, -1, 0, 0, 0, 0)
            lines.append(", ".join(map(_g, (field.x[i], _down(field, j), *values))))
        lines.append("")
    path.write_text("\n".join(lines) + "\n")
    return path, {
        **LOAD,
        "pixel_size_nm": field.pixel_nm,
        "strain_measure": "green_lagrange",
        "shear": "tensor",
    }


def vic2d_calibrated(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Pixel and calibrated columns side by side, the latter and the shear in axes with y up."""
    path = folder / "vic2d_calibrated.csv"
    exx, eyy, exy = field.strain()
    mm = field.pixel_mm
    lines = ['"x", "y", "u", "v", "x_c", "y_c", "u_c", "v_c", "sigma", "exx", "eyy", "exy"']
    for j, i in field.points(down=True):
        if not field.valid[j, i]:
            continue
        u, v = field.u[j, i], field.v[j, i]
        row = [field.x[i], _down(field, j), u, -v]
        row += [field.x[i] * mm, field.y[j] * mm, u * mm, v * mm, 0.01]
        lines.append(", ".join(map(_g, [*row, exx[j, i], eyy[j, i], exy[j, i]])))
    path.write_text("\n".join(lines) + "\n")
    return path, {
        **LOAD,
        "length_unit": "mm",
        "y_axis": "up",
        "strain_measure": "green_lagrange",
        "shear": "tensor",
    }


def vic3d(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "vic3d.csv"
    exx, eyy, exy = field.strain()
    mm = field.pixel_mm
    lines = [
        '"X [mm]","Y [mm]","Z [mm]","U [mm]","V [mm]","W [mm]","exx [1] - Lagrange",'
        '"eyy [1] - Lagrange","exy [1] - Lagrange","sigma [pixel]"'
    ]
    for j, i in field.points(down=False, by="columns"):
        if field.valid[j, i]:
            row = [field.x[i] * mm, field.y[j] * mm, 0, field.u[j, i] * mm, field.v[j, i] * mm, 0]
            lines.append(",".join(map(_g, [*row, exx[j, i], eyy[j, i], exy[j, i], 0.01])))
    path.write_text("\n".join(lines) + "\n")
    return path, {**LOAD, "shear": "tensor"}


def mat5(arrays: dict[str, np.ndarray], *, compress: bool) -> bytes:
    """A MATLAB 5 file of double matrices."""
    content = b"MATLAB 5.0 MAT-file, written by a test".ljust(124) + b"\x00\x01IM"
    for name, values in arrays.items():
        data = np.asarray(values, dtype="<f8").tobytes(order="F")
        label = name.encode()
        body = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, *values.shape)
        body += struct.pack("<II", 1, len(label)) + label + b"\0" * (-len(label) % 8)
        body += struct.pack("<II", 9, len(data)) + data
        element = struct.pack("<II", 14, len(body)) + body
        if compress:
            packed = zlib.compress(element)
            element = struct.pack("<II", 15, len(packed)) + packed
        content += element
    return content


def vic_mat(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "vic.mat"
    exx, eyy, exy = field.strain()
    down = np.array([_down(field, j) for j in range(len(field.y))])
    xx, yy = np.meshgrid(field.x, down)
    sigma = np.where(field.valid, 0.01, -1.0)
    stale = lambda values: np.where(field.valid, values, 7.0)  # noqa: E731
    arrays = {"x": xx, "y": yy, "u": stale(field.u), "v": stale(-field.v), "sigma": sigma}
    arrays |= {"exx": stale(exx), "eyy": stale(eyy), "exy": stale(-exy)}
    # The picture's rows come top first.
    arrays = {name: values[::-1] for name, values in arrays.items()}
    path.write_bytes(mat5(arrays, compress=True))
    return path, {
        **LOAD,
        "pixel_size_nm": field.pixel_nm,
        "strain_measure": "green_lagrange",
        "shear": "tensor",
    }


def gom(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """CRLF, six lines of head, deformed coordinates, logarithmic strain, absent points."""
    path = folder / "gom.csv"
    exx, eyy, exy = field.strain("hencky")
    mm = field.pixel_mm
    lines = [
        "# Units: length:mm angle:deg time:s ",
        "# Stage: Stufe 9",
        "stage;index;relative_time;date",
        '"Stufe 9";9;22.3328;"2023-02-10T13:54:19.181"',
        "# Name : Flächenkomponente 1",
        "id;x;y;z;displacement_x;displacement_y;displacement_z;epsilon_x;epsilon_y;epsilon_xy",
    ]
    number = 0
    for j, i in field.points(down=True):
        if field.valid[j, i]:
            u, v = field.u[j, i], field.v[j, i]
            row = [(field.x[i] + u) * mm, (field.y[j] + v) * mm, 0, u * mm, v * mm, 0]
            row += [exx[j, i], eyy[j, i], exy[j, i]]
            lines.append(f"{number};" + ";".join(map(_g, row)))
            number += 1
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("utf-8"))
    return path, {**LOAD, "shear": "tensor"}


def aramis(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Windows code page; normal strains in %, shear in 1; rows of NaN."""
    path = folder / "aramis.txt"
    exx, eyy, exy = field.strain()
    mm = field.pixel_mm
    lines = [
        "# Process data:",
        "# calibration_object            : CP 20 / 175x140mm²",
        "#" * 60,
        "#        ID;  x_undef [mm];  y_undef [mm];  z_undef [mm];  u [mm];  v [mm];  w [mm];"
        "  epsx [%];  epsy [%];  epsxy [1];  epseqv [%]",
    ]
    for number, (j, i) in enumerate(field.points(down=True), 1):
        row = [field.x[i] * mm, field.y[j] * mm, 0.0]
        values = [field.u[j, i] * mm, field.v[j, i] * mm, 0, 100 * exx[j, i], 100 * eyy[j, i]]
        values += [exy[j, i], 0.0]
        row += values if field.valid[j, i] else [np.nan] * 7
        lines.append(f"{number:10d};" + ";".join(f"{value:20.12f}" for value in row))
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))
    return path, {**LOAD, "strain_measure": "green_lagrange", "shear": "tensor"}


def matchid2023(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "matchid2023.csv"
    exx, eyy, exy = field.strain()
    mm = field.pixel_mm
    lines = ["x_pic,y_pic,x,y,z,u,v,w,exx,eyy,exy"]
    for j, i in field.points(down=True):
        on = float(field.valid[j, i])
        down = _down(field, j)
        row = [field.x[i], down, field.x[i] * mm, down * mm, 0]
        values = [field.u[j, i] * mm, -field.v[j, i] * mm, 0, exx[j, i], eyy[j, i], -exy[j, i]]
        lines.append(",".join(map(_g, [*row, *(on * value for value in values)])))
    path.write_text("\n".join(lines) + "\n")
    return path, {**LOAD, "strain_measure": "green_lagrange", "shear": "tensor"}


def matchid2024(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "matchid2024.csv"
    exx, eyy, exy = field.strain()
    mm = field.pixel_mm
    lines = [
        "Coordinates.Image X [Pixel],Coordinates.Image Y [Pixel],coor.X [mm],coor.Y [mm],"
        "disp.Horizontal Displacement U [mm],disp.Vertical Displacement V [mm],"
        "strain.Strain-global frame: Exx [ ],strain.Strain-global frame: Eyy [ ],"
        "strain.Strain-global frame: Exy [ ]"
    ]
    for j, i in field.points(down=True):
        if field.valid[j, i]:
            down = _down(field, j)
            row = [field.x[i], down, field.x[i] * mm, down * mm]
            row += [field.u[j, i] * mm, -field.v[j, i] * mm, exx[j, i], eyy[j, i], -exy[j, i]]
            lines.append(",".join(map(_g, row)))
    path.write_text("\n".join(lines) + "\n")
    return path, {**LOAD, "strain_measure": "green_lagrange", "shear": "tensor"}


def dice(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Twenty lines of head, column after column, stale displacements where sigma is -1."""
    path = folder / "dice.txt"
    exx, eyy, exy = field.strain()
    lines = ["***", "*** Digital Image Correlation Engine (DICe), test", "*** Subset size: 27"]
    lines += ["*** "] * 16
    lines += [
        "*** Coordinates given with (0,0) as upper left corner of image, x positive right, "
        "y positive down",
        "SUBSET_ID,COORDINATE_X,COORDINATE_Y,DISPLACEMENT_X,DISPLACEMENT_Y,SIGMA,GAMMA,MATCH,"
        "VSG_STRAIN_XX,VSG_STRAIN_YY,VSG_STRAIN_XY",
    ]
    for number, (j, i) in enumerate(field.points(down=True, by="columns")):
        on = field.valid[j, i]
        row = [number, field.x[i], _down(field, j)]
        row += [field.u[j, i], -field.v[j, i], 0.01, 0, 0] if on else [7.0, 7.0, -1, -1, -1]
        row += [exx[j, i], eyy[j, i], -exy[j, i]] if on else [0, 0, 0]
        lines.append(",".join(map(_g, row)))
    path.write_text("\n".join(lines) + "\n")
    return path, {**LOAD, "pixel_size_nm": field.pixel_nm}


def netcdf3(
    dims: dict[str, int], variables: list[tuple[str, tuple[str, ...], np.ndarray]]
) -> bytes:
    """A classic NetCDF file with 64-bit offsets; a dimension of size 0 is the record one."""
    types = {"S": 2, "i": 4, "f": 6}
    names = list(dims)

    def text(value: str) -> bytes:
        return struct.pack(">I", len(value)) + value.encode() + b"\0" * (-len(value) % 4)

    records = max((len(a) for _, d, a in variables if d and dims[d[0]] == 0), default=0)
    arrays = [
        (n, d, a.astype({"f": ">f8", "i": ">i4", "S": "S1"}[a.dtype.kind])) for n, d, a in variables
    ]

    def head(begins: list[int]) -> bytes:
        out = b"CDF\x02" + struct.pack(">III", records, 10, len(dims))
        out += b"".join(text(name) + struct.pack(">I", size) for name, size in dims.items())
        out += struct.pack(">IIII", 0, 0, 11, len(arrays))
        for (name, axes, values), begin in zip(arrays, begins, strict=True):
            out += text(name) + struct.pack(">I", len(axes))
            out += b"".join(struct.pack(">I", names.index(axis)) for axis in axes)
            size = values[:1].nbytes if axes and dims[axes[0]] == 0 else values.nbytes
            out += struct.pack(">IIII", 0, 0, types[values.dtype.kind], size + -size % 4)
            out += struct.pack(">q", begin)
        return out

    at = len(head([0] * len(arrays)))
    begins, body, of_record = [0] * len(arrays), b"", []
    for number, (_, axes, values) in enumerate(arrays):
        if axes and dims[axes[0]] == 0:
            of_record.append(number)
            continue
        begins[number] = at + len(body)
        body += values.tobytes() + b"\0" * (-values.nbytes % 4)
    first_record = at + len(body)
    for record in range(records):
        for number in of_record:
            data = arrays[number][2][record].tobytes()
            if record == 0:
                begins[number] = first_record + len(body) - (first_record - at)
            body += data + b"\0" * (-len(data) % 4)
    return head(begins) + body


def exodus(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Two time steps, the second of which is the truth; absent nodes."""
    path = folder / "dice.e"
    exx, eyy, exy = field.strain()
    at = [(j, i) for j, i in field.points(down=True, by="columns") if field.valid[j, i]]
    pick = lambda values: np.array([values[j, i] for j, i in at])  # noqa: E731
    columns = {
        "DISPLACEMENT_X": pick(field.u),
        "DISPLACEMENT_Y": -pick(field.v),
        "SIGMA": np.full(len(at), 0.01),
        "VSG_STRAIN_XX": pick(exx),
        "VSG_STRAIN_YY": pick(eyy),
        "VSG_STRAIN_XY": -pick(exy),
    }
    name_rows = np.array([list(name.ljust(33, "\0")) for name in columns], dtype="S1")
    dims = {"time_step": 0, "num_nodes": len(at), "len_name": 33, "num_nod_var": len(columns)}
    variables = [
        ("coordx", ("num_nodes",), np.array([field.x[i] for _, i in at])),
        ("coordy", ("num_nodes",), np.array([_down(field, j) for j, _ in at])),
        ("name_nod_var", ("num_nod_var", "len_name"), name_rows),
        ("time_whole", ("time_step",), np.array([0.0, 1.0])),
    ]
    variables += [
        (f"vals_nod_var{number}", ("time_step", "num_nodes"), np.stack([0.5 * values, values]))
        for number, values in enumerate(columns.values(), 1)
    ]
    path.write_bytes(netcdf3(dims, variables))
    return path, {**LOAD, "pixel_size_nm": field.pixel_nm, "frame": 2}


def ncorr(field: TrueField, folder: Path, *, frames: int = 1) -> tuple[Path, dict[str, Any]]:
    """MATLAB 7.3: transposed arrays, zeros outside the region, pitch = spacing + 1."""
    path = folder / f"ncorr{frames}.mat"
    exx, eyy, exy = field.strain()
    top_first = lambda values: (np.where(field.valid, values, 0.0)[::-1]).T  # noqa: E731
    with h5py.File(path, "w", userblock_size=512) as handle:
        data, refs = handle.create_group("data_dic_save"), handle.create_group("#refs#")

        def put(group: h5py.Group, name: str, values: np.ndarray) -> None:
            if frames == 1:
                group.create_dataset(name, data=values)
                return
            table = group.create_dataset(name, (frames, 1), dtype=h5py.ref_dtype)
            for frame in range(frames):
                part = (frame + 1) / frames
                stored = refs.create_dataset(f"a{len(refs)}", data=part * values)
                table[frame, 0] = stored.ref

        displacements, strains = data.create_group("displacements"), data.create_group("strains")
        put(displacements, "plot_u_dic", top_first(field.u))
        put(displacements, "plot_v_dic", top_first(-field.v))
        for name, values in (("exx", exx), ("eyy", eyy), ("exy", -exy)):
            put(strains, f"plot_{name}_ref_formatted", top_first(values))
        roi = displacements.create_dataset("roi_ref_formatted", data=np.zeros((1, 6), "u4"))
        roi.attrs["MATLAB_class"] = np.bytes_("ncorr_class_roi")
        info = data.create_group("dispinfo")
        spacing = field.x[1] - field.x[0] - 1.0
        for name, value in (("radius", 21.0), ("spacing", spacing), ("pixtounits", field.pixel_mm)):
            info.create_dataset(name, data=[[value]])
        info.create_dataset("units", data=np.array([[ord(c)] for c in "mm"], "u2"))
    raw = bytearray(path.read_bytes())
    raw[:128] = b"MATLAB 7.3 MAT-file, written by a test".ljust(116) + b"\0" * 8 + b"\x00\x02IM"
    path.write_bytes(raw)
    return path, {**LOAD} if frames == 1 else {**LOAD, "frame": frames}


def ncorr_frames(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    return ncorr(field, folder, frames=3)


def opencorr(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Nothing marks a failed point but a low ZNCC beside absurd values."""
    path = folder / "opencorr.csv"
    exx, eyy, exy = field.strain()
    lines = ["x,y,u,v,u0,v0,ZNCC,iteration,convergence,feature,exx,eyy,exy"]
    for j, i in field.points(down=True):
        on = field.valid[j, i]
        row = [field.x[i], _down(field, j)]
        row += [field.u[j, i], -field.v[j, i], 0, 0, 0.98, 3, 1e-4, 0] if on else [
            55.0, -80.0, 0, 0, 0.31, 10, 0.2, 0,
        ]  # fmt: skip
        row += [exx[j, i], eyy[j, i], -exy[j, i]] if on else [3.1, -8.0, 2.2]
        lines.append(",".join(map(_g, row)))
    path.write_text("\n".join(lines) + "\n")
    return path, {
        **LOAD,
        "pixel_size_nm": field.pixel_nm,
        "strain_measure": "green_lagrange",
        "zncc_min": 0.9,
    }


def pyvale(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A comma at the end of the header only; NaN with converged 1 beside it."""
    path = folder / "pyvale.csv"
    lines = ["subset_x,subset_y,disp_u,disp_v,disp_mag,converged,cost_zncc,"]
    for j, i in field.points(down=True):
        row = [field.x[i], _down(field, j)]
        row += [field.u[j, i], -field.v[j, i], 1.0, 1, 0.99] if field.valid[j, i] else [
            np.nan, np.nan, np.nan, 1, 0.4,
        ]  # fmt: skip
        lines.append(",".join(map(_g, row)))
    path.write_text("\n".join(lines) + "\n")
    return path, {
        **LOAD,
        "pixel_size_nm": field.pixel_nm,
        "strain_measure": "green_lagrange",
        "recompute_window_points": 3,
    }


def pyvale_strain(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "pyvale_strain.csv"
    exx, eyy, exy = field.strain()
    lines = ["window_x,window_y,def_grad_00,eps_00,eps_01,eps_10,eps_11,"]
    for j, i in field.points(down=True):
        if field.valid[j, i]:
            row = [field.x[i], _down(field, j), 1.0, exx[j, i], -exy[j, i], -exy[j, i], eyy[j, i]]
            lines.append(",".join(map(_g, row)))
    path.write_text("\n".join(lines) + "\n")
    return path, {**LOAD, "pixel_size_nm": field.pixel_nm, "strain_measure": "green_lagrange"}


def deformation_gradient(field: TrueField, folder: Path) -> tuple[Path, dict[str, Any]]:
    """No header, F11 F21 F12 F22, identity where nothing was measured, steps in the .ctf."""
    path = folder / "gradient.txt"
    ux, uy, vx, vy = field.gradient
    lines = []
    for j, i in field.points(down=True):
        # y grows down: the off-diagonal components change sign.
        f = (1 + ux[j, i], -vx[j, i], -uy[j, i], 1 + vy[j, i])
        lines.append(
            " ".join(f"{value:.12g}" for value in (f if field.valid[j, i] else (1, 0, 0, 1)))
        )
    path.write_text("\n".join(lines) + "\n")
    step_x, step_y = ((axis[1] - axis[0]) * field.pixel_mm * 1e3 for axis in (field.x, field.y))
    path.with_suffix(".ctf").write_text(
        f"Channel Text File\nXCells\t{len(field.x)}\nYCells\t{len(field.y)}\n"
        f"XStep\t{step_x:.9g}\nYStep\t{step_y:.9g}\n"
    )
    return path, {**LOAD, "y_axis": "down", "strain_measure": "green_lagrange"}


Writer = Callable[[TrueField, Path], tuple[Path, dict[str, Any]]]

DIALECTS: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        davis8, davis10, davis10_csv, vic2d, vic2d_calibrated, vic3d, vic_mat, gom, aramis,
        matchid2023, matchid2024, dice, exodus, ncorr, ncorr_frames, opencorr, pyvale,
        pyvale_strain, deformation_gradient,
    )
}  # fmt: skip

WITHOUT_STRAIN = {"davis8", "davis10", "pyvale"}
WITHOUT_DISPLACEMENT = {"pyvale_strain", "deformation_gradient"}
SQUARE_ONLY = {"ncorr", "ncorr_frames"}
"""Dialects with one pitch for both axes."""
