"""The isotropic, aluminium-like crystal: elastic constants, Burgers vector and drag."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

from strainprint.specimens.bounds import POSITIVE, Bounds, check_bounds


@dataclass(frozen=True)
class Material:
    """Constants of the crystal, plane strain.

    Attributes
    ----------
    youngs_modulus_gpa, poissons_ratio
        Isotropic elasticity. The defaults are the values common to the code family of the
        paper's reference 12; the authors' own parameter file was never published.
    burgers_vector_nm
        Length b of the Burgers vector.
    drag_pa_s
        Drag B of the linear glide law v = tau b / B.
    """

    youngs_modulus_gpa: float = 70.0
    poissons_ratio: float = 0.33
    burgers_vector_nm: float = 0.25
    drag_pa_s: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse constants that are not a solid's."""
        check_bounds(
            self,
            "material",
            {
                "youngs_modulus_gpa": POSITIVE,
                "poissons_ratio": Bounds(0.0, 0.5),
                "burgers_vector_nm": POSITIVE,
                "drag_pa_s": POSITIVE,
            },
        )

    @property
    def shear_modulus_mpa(self) -> float:
        """Shear modulus mu = E / (2 (1 + nu))."""
        return 1e3 * self.youngs_modulus_gpa / (2 * (1 + self.poissons_ratio))

    @property
    def plane_strain_modulus_mpa(self) -> float:
        """Modulus E' = E / (1 - nu^2) of uniaxial stress in plane strain."""
        return 1e3 * self.youngs_modulus_gpa / (1 - self.poissons_ratio**2)

    @property
    def edge_constant_mpa_nm(self) -> float:
        """C = mu b / (2 pi (1 - nu)), so that sigma_XY = C X (X^2 - Y^2) / r^4."""
        return (
            self.shear_modulus_mpa * self.burgers_vector_nm / (2 * pi * (1 - self.poissons_ratio))
        )

    @property
    def mobility_nm_per_ns_mpa(self) -> float:
        """Glide velocity per resolved shear stress, b / B."""
        return self.burgers_vector_nm * 1e-3 / (self.drag_pa_s * 1e3) * 1e3
