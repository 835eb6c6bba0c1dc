"""Sets that no protocol of a plain Scipion imports."""


def write_ctfs(project, micrographs, defocus_of, n_left_out=0):
    """A finished run with a SetOfCTF; `defocus_of` maps a micrograph's name to angstrom."""
    from pwem.objects import CTFModel

    run = project.new("ProtImportCTF", "CTFs")
    project.project.saveProtocol(run)
    run.makePathsAndClean()
    ctfs = run._createSetOfCTF()
    ctfs.setMicrographs(micrographs.outputMicrographs)
    items = [item.clone() for item in micrographs.outputMicrographs]
    for item in items[: len(items) - n_left_out]:
        value = defocus_of(item.getMicName())
        ctf = CTFModel(defocusU=value + 100, defocusV=value - 100, defocusAngle=10)
        ctf.setMicrograph(item)
        ctf.setObjId(item.getObjId())
        ctfs.append(ctf)
    run._defineOutputs(outputCTF=ctfs)
    run.setFinished()
    project.project._storeProtocol(run)
    return project.project.getProtocol(run.getObjId())
