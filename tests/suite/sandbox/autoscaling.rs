//! Auto Scaling groups.

use super::eks::Place;
use super::*;
